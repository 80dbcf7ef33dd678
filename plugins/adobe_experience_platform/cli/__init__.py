"""``airflow aep``: check the connection, look up what can be delivered, plan, deliver and follow in a terminal.

This module is imported by every ``airflow`` command, so it only says which commands there are; the code of each is
loaded when it is called. No command takes a secret: the credential is read from the Airflow connection.
"""

from __future__ import annotations

from airflow.cli.cli_config import ARG_OUTPUT, ARG_VERBOSE, ActionCommand, Arg, GroupCommand, lazy_load_command

__all__ = ["get_cli_commands"]

DELIVERY_DAG = "aep_adhoc_activation"

_ARG_CONN = Arg(("--conn-id",), help="Airflow connection (default: aep_default)", default="aep_default")
_ARG_SANDBOX = Arg(("--sandbox",), help="sandbox (default: the connection's)")
_ARG_INFO = Arg(
    ("activation_info",),
    help='what to deliver, by name or id, as JSON: {"Newsletter S3": ["Newsletter subscribers"]}; @FILE or - reads it',
    nargs="?",
)
_ARG_TO = Arg(
    ("--to",),
    help="the same without JSON, once for each destination: --to 'Newsletter S3' 'Newsletter subscribers'",
    nargs="+",
    action="append",
    metavar=("DESTINATION", "AUDIENCE"),
)
_ARG_OPTION = Arg(
    ("--option",),
    help="a parameter of the delivery, such as on_conflict=adopt; may be given several times",
    action="append",
    metavar="NAME=VALUE",
    default=[],
)
_ARG_DAG = Arg(
    ("--dag-id",), help="the DAG that delivers (default: aep_adhoc_activation)", default="aep_adhoc_activation"
)
_ARG_RUN = Arg(("--run-id",), help="the new run's id; the same id never delivers twice (default: one is made)")
_ARG_FOLLOWED = Arg(("run_id",), help="id of the run to follow")
_ARG_DETACH = Arg(("--detach",), help="start the run and do not wait for its end", action="store_true")
_ARG_FOLDER = Arg(("folder",), help="folder of campaign files (default: the option campaigns_folder)", nargs="?")


def get_cli_commands() -> list[GroupCommand]:
    """Return the commands of this provider (provider metadata, key ``cli``)."""
    return [
        GroupCommand(
            name="aep",
            help="Deliver Adobe Experience Platform audiences",
            description=(
                "Check the connection to Adobe Experience Platform, look up what can be delivered, and deliver it. "
                "Exit codes: 0 all is well, 1 it failed, 2 wrong arguments, 130 interrupted."
            ),
            subcommands=(
                _command("doctor", "Check the connection and say what to do", _ARG_CONN, _ARG_SANDBOX, ARG_OUTPUT),
                _command("catalog", "List destinations and audiences", _ARG_CONN, _ARG_SANDBOX, ARG_OUTPUT),
                _command(
                    "plan", "Check a delivery and show its plan; sends nothing", _ARG_INFO, _ARG_TO, _ARG_OPTION,
                    _ARG_CONN, _ARG_SANDBOX, ARG_OUTPUT,
                ),
                _command(
                    "deliver", "Start a delivery and follow it to its end", _ARG_INFO, _ARG_TO, _ARG_OPTION,
                    _ARG_CONN, _ARG_SANDBOX, _ARG_DAG, _ARG_RUN, _ARG_DETACH, ARG_OUTPUT,
                ),
                _command("follow", "Follow a delivery that was started before", _ARG_FOLLOWED, _ARG_DAG, ARG_OUTPUT),
                GroupCommand(
                    name="campaigns",
                    help="Recurring campaigns",
                    subcommands=(_command("check", "Check all campaign files", _ARG_FOLDER),),
                ),
            ),
        )
    ]  # fmt: skip


def _command(name: str, text: str, *arguments: Arg) -> ActionCommand:
    return ActionCommand(
        name=name, help=text, func=lazy_load_command(f"{__name__}.commands.{name}"), args=(*arguments, ARG_VERBOSE)
    )
