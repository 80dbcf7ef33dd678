"""What a command line asks for: the delivery, its settings, and the hook that asks AEP."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow.models.connection import Connection

from adobe_experience_platform.aep import Pair
from adobe_experience_platform.delivery import READINGS, DeliverySettings, read_activation_info, read_settings, shorten
from adobe_experience_platform.errors import AepInputError
from adobe_experience_platform.hooks import WorkerHook

_MAX_BYTES = 2**22


@dataclass(frozen=True, slots=True)
class Asked:
    """A delivery as a command line asks for it, checked, but not against AEP; with the settings that were given."""

    info: dict[str, Any]
    pairs: tuple[Pair, ...]
    settings: DeliverySettings
    given: dict[str, Any]


class TerminalHook(WorkerHook):
    """The workers' hook for a command: only there does Airflow's hook not look into the metadata database."""

    @classmethod
    def get_connection(cls, conn_id: str) -> Any:
        """Return a connection from the secrets backends, the environment or the database."""
        return Connection.get_connection_from_secrets(conn_id)


def hook_of(args: Namespace) -> TerminalHook:
    """Return the hook of ``--conn-id`` and ``--sandbox``; somebody waits, so no call is tried for long."""
    return TerminalHook(args.conn_id, args.sandbox or None)


def delivery_of(args: Namespace) -> Asked:
    """Return what a command line asks for; an :class:`AepInputError` has every fault."""
    info, faults = _info(args)
    given = {"aep_conn_id": args.conn_id, "sandbox_name": args.sandbox}
    for option in args.option:
        name, sign, value = option.partition("=")
        if not sign:
            faults.append(f"--option {option!r} has no value: write it as NAME=VALUE, such as on_conflict=adopt")
        elif name in given:
            faults.append(f"--option {name} is given otherwise: use --{'sandbox' if 'box' in name else 'conn-id'}")
        else:
            given[name] = value
    pairs: list[Pair] = []
    if not faults:
        pairs, faults = read_activation_info(info, names=True)
    settings, more = read_settings(given)
    if faults or more:
        raise AepInputError(shorten([*faults, *more]))
    checked = settings.to_json()
    return Asked(info, tuple(pairs), settings, {name: checked[name] for name in given})


def _info(args: Namespace) -> tuple[Any, list[str]]:
    """Return what to deliver, as JSON or ``--to`` says it, and what is wrong with that."""
    if bool(args.to) == bool(args.activation_info):
        both = "both are given" if args.to else "neither is given"
        return None, [f"say what to deliver either as JSON or with --to, {both}"]
    if args.to:
        info: dict[str, list[str]] = {}
        for flow, *audiences in args.to:
            info.setdefault(flow, []).extend(audiences)
        return info, []
    text = args.activation_info
    try:
        if text == "-":
            text = sys.stdin.read(_MAX_BYTES)
        elif text.startswith("@"):
            with Path(text[1:]).open(encoding="utf-8") as file:
                text = file.read(_MAX_BYTES)
    except (OSError, ValueError) as error:
        return None, [f"{args.activation_info} cannot be read ({getattr(error, 'strerror', None) or error})"]
    return READINGS["activation_info"](text, "activation_info"), []
