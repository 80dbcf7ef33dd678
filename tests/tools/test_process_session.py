from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tools.process_session import ProcessSession, stop_all

REPOSITORY = Path(__file__).resolve().parents[2]

# Like an Airflow component: its child is in a process group of its own, and neither ends on SIGTERM.
STUBBORN_FAMILY = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setpgid(0, 0)
print(os.getpid(), flush=True)
time.sleep(600)
"""


def eventually(condition: Callable[[], bool], seconds: float = 120.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def gone(pids: list[int]) -> bool:
    def is_gone(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return all(map(is_gone, pids))


def pids_in(log: Path, count: int) -> list[int]:
    assert eventually(lambda: log.exists() and len(log.read_text().split()) == count)
    return [int(pid) for pid in log.read_text().split()]


@pytest.fixture
def start(tmp_path: Path) -> Callable[[str], ProcessSession]:
    def start(program: str) -> ProcessSession:
        return ProcessSession(
            "test", [sys.executable, "-c", program], log=tmp_path / "log", env=os.environ, cwd=tmp_path
        )

    return start


def test_kill_reaches_children_in_other_process_groups(start: Callable[[str], ProcessSession]) -> None:
    session = start(STUBBORN_FAMILY)
    family = pids_in(session.log, 2)
    assert os.getpgid(family[1]) != os.getpgid(family[0])

    session.kill()

    assert not session.alive
    assert gone(family)


def test_stop_kills_what_does_not_end_in_time(start: Callable[[str], ProcessSession]) -> None:
    session = start(STUBBORN_FAMILY)
    family = pids_in(session.log, 2)

    stop_all([session], grace=0.2)

    assert gone(family)


def test_stop_lets_a_process_end_in_order(start: Callable[[str], ProcessSession]) -> None:
    session = start(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('in order'), sys.exit(3)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    assert eventually(lambda: "ready" in session.log_tail())

    stop_all([session], grace=10)

    assert session.returncode == 3
    assert session.log_tail().splitlines()[-1] == "in order"


def test_nothing_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = (
        "import os, sys, time; from pathlib import Path\n"
        "from tools.process_session import ProcessSession\n"
        f"family = {STUBBORN_FAMILY!r}\n"
        f"command, log = [sys.executable, '-c', family], Path({str(log)!r})\n"
        "ProcessSession('x', command, log=log, env=os.environ, cwd=Path('/'))\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY)
    try:
        family = pids_in(log, 2)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()

    assert eventually(lambda: gone(family))


def test_nothing_begins_whose_parent_dies_before_it_is_watched(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = (
        "import os, sys; from pathlib import Path\n"
        "from tools import process_session\n"
        "def die(self, sid):\n"
        "    print(sid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "process_session._Guardian.watch = die\n"
        f"command, log = [sys.executable, '-c', 'print(1)'], Path({str(log)!r})\n"
        "process_session.ProcessSession('x', command, log=log, env=os.environ, cwd=Path('/'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE, check=False)

    assert done.returncode == -signal.SIGKILL
    assert eventually(lambda: gone([int(done.stdout)]))
    assert log.read_text() == ""
