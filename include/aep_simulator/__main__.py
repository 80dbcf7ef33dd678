"""``python -m include.aep_simulator``: serve AEP and IMS on one port."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from .seed import read_seed
from .server import is_loopback, serve
from .simulator import Simulator


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m include.aep_simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=8090, help="port to listen on; 0 picks a free one")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1, this machine only)")
    parser.add_argument("--speed", type=float, help="how many times shorter durations are (default 60)")
    parser.add_argument("--seed", type=Path, help="JSON or YAML file with what AEP holds at the start")
    options = parser.parse_args(arguments)
    host = options.host or "127.0.0.1"
    if not is_loopback(host):
        print(f"Caution: without authentication of its control calls, on {host}.", file=sys.stderr)
    settings: dict[str, object] = {} if options.speed is None else {"speed": options.speed}
    try:
        simulator = Simulator(None if options.seed is None else read_seed(options.seed), settings)
    except (ValidationError, ValueError, OSError) as exc:
        parser.error(f"the seed can not be used: {exc}")
    try:
        serve(simulator, host, options.port)
    except OSError as exc:
        print(f"Can not listen on {host}:{options.port}: {exc.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
