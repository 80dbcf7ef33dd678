"""``airflow aep``: the commands as Airflow's own parser finds and calls them, with a real metadata database."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.models.connection import Connection
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session

from adobe_experience_platform.cli import runs
from tests.support.aep import LocalAep

Command = Callable[..., tuple[int, str, str]]
DAG = "aep_adhoc_activation"


@pytest.fixture
def airflow(airflow_db: None, aep: LocalAep, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that calls an ``airflow`` command: (exit code, standard output, standard error)."""
    from airflow.cli.cli_parser import get_parser

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code: Any = 0
        try:
            args = get_parser().parse_args(list(words))
            args.func(args)
        except SystemExit as end:
            code = end.code
        return (code or 0, *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def played() -> list[str]:
    """Keep the run that all tests of this file look at: it takes seconds to play."""
    return []


@pytest.fixture
def shipped(deliver: Any, played: list[str]) -> Iterator[str]:
    """Give a green run of the DAG that delivers, which is known to the database and not paused."""
    if not played:
        played.append(deliver({"mail": ["gold"]}).run_id)
    set_paused(False)
    yield played[0]
    set_paused(True)


def set_paused(paused: bool) -> None:
    with create_session() as session:
        dag = session.get(DagModel, DAG)
        assert dag is not None
        dag.is_paused, dag.is_stale = paused, False


def conf_of(run_id: str) -> Any:
    with create_session() as session:
        found = DagRun.find(dag_id=DAG, run_id=run_id, session=session)
        return found[0].conf if found else None


def test_the_doctor_finds_a_connection_of_the_database(
    airflow: Command, aep: LocalAep, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = aep.connection()
    monkeypatch.delenv("AIRFLOW_CONN_AEP_DEFAULT")
    kept = Connection(
        "aep_kept", account["conn_type"], host=account["host"], login=account["login"],
        password=account["password"], extra=json.dumps(account["extra"]),
    )  # fmt: skip
    with create_session() as session:
        session.add(kept)
    try:
        code, out, _ = airflow("aep", "doctor", "--conn-id", "aep_kept", "-o", "json")
        assert code == 0
        assert {check["result"] for check in json.loads(out)} == {"ok", "not checked"}

        code, out, _ = airflow("aep", "doctor")
        assert code == 1
        assert "There is no connection 'aep_default'" in out
    finally:
        with create_session() as session:
            session.delete(session.merge(kept))


def test_the_catalog_lists_what_can_be_delivered(airflow: Command) -> None:
    code, out, _ = airflow("aep", "catalog", "-o", "json")

    assert code == 0
    rows = {(row["flow_id"], row["audience_id"]): row for row in json.loads(out)}
    assert rows["mail", "gold"]["destination"] == "Mail"
    assert rows["mail", "gold"]["ready"] is True
    assert rows["mail", "expired"]["ready"] is False
    assert rows["mail", "expired"]["why_not"].startswith("has a schedule that ended")


def test_a_plan_shows_jobs_and_sends_nothing(airflow: Command, aep: LocalAep) -> None:
    words = ("--to", "Mail", "Gold customers", "silver", "--option", "max_audiences_per_job=1")

    code, out, err = airflow("aep", "plan", *words, "-o", "json")

    assert code == 0
    assert [(row["job"], row["audience"]) for row in json.loads(out)] == [
        (1, "Gold customers"),
        (2, "Silver customers"),
    ]
    assert json.loads(out)[0]["audience_size"].startswith("1,000 (")
    assert "Would deliver 2 audiences in 2 jobs; nothing was sent." in err
    assert aep.posts() == []


ASK = 'size_guard={"max_records": 9, "on_breach": "ask"}'


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--to", "Mail", "Golden customers"), 1, "did you mean 'Gold customers'"),
        (("--to", "Post", "gold"), 1, "does not exist"),
        (("--to", "Mail", "gold", "--option", 'size_guard={"max_records": 9}'), 1, "has 1,000 profiles at its last"),
        (("--to", "Mail", "gold", "--option", ASK), 2, "this delivery has no approval step: choose refuse"),
        (('{"mail": []}',), 2, "its list of audiences is empty"),
        (("--to", "Mail", "gold", "--conn-id", "nowhere"), 1, "There is no connection 'nowhere'"),
    ],
)
def test_a_plan_that_would_be_refused(airflow: Command, words: tuple[str, ...], code: int, said: str) -> None:
    found, out, err = airflow("aep", "plan", *words)

    assert (found, out) == (code, "")
    assert said in err


def test_a_delivery_is_started_once_and_never_where_it_would_wait_for_ever(airflow: Command, shipped: str) -> None:
    words = ("aep", "deliver", "--to", "Mail", "gold", "--option", "on_conflict=adopt", "--detach")

    code, _, err = airflow(*words, "--run-id", "mine")
    assert code == 0
    assert "airflow aep follow mine" in err
    conf = {"activation_info": {"Mail": ["gold"]}, "on_conflict": "adopt", "aep_conn_id": "aep_default"}
    assert conf_of("mine") == {**conf, "sandbox_name": None}

    code, _, err = airflow(*words, "--run-id", "mine")
    assert (code, "There is a run mine already, and it was not started again" in err) == (1, True)

    code, _, err = airflow(*words, "--run-id", "other", "--dag-id", "nowhere")
    assert (code, "There is no DAG nowhere" in err) == (1, True)

    code, _, err = airflow("aep", "deliver", '{"mail": []}', "--run-id", "other")
    assert (code, "its list of audiences is empty" in err) == (2, True)

    set_paused(True)
    code, _, err = airflow(*words, "--run-id", "other")
    assert (code, "airflow dags unpause aep_adhoc_activation" in err) == (1, True)
    assert conf_of("other") is None


def test_a_run_is_followed_to_its_table_and_result(airflow: Command, shipped: str, deliver: Any) -> None:
    code, out, err = airflow("aep", "follow", shipped)
    assert code == 0
    assert out.splitlines()[0].split()[:3] == ["Destination", "Audience", "Status"]
    assert "Gold customers" in out
    assert "Delivered: 1 delivery to 1 destination, 998 records" in err
    assert "Gold customers → Mail: skipped: [ACTIVATION_BATCH-0000-SKIP]" in err

    code, out, _ = airflow("aep", "follow", shipped, "-o", "json")
    [row] = json.loads(out)
    assert (row["destination"], row["records_exported"], row["status"]) == ("Mail", 998, "success")

    refused = deliver({"mail": ["golden"]})
    code, out, err = airflow("aep", "follow", refused.run_id)
    assert (code, out) == (1, "")
    assert "FAILED: nothing was sent" in err
    assert "plan_jobs: Nothing was sent. 1 fault found" in err

    dry = deliver({"mail": ["gold"]}, dry_run=True)
    code, out, err = airflow("aep", "follow", dry.run_id)
    assert (code, "Nothing was delivered: it was a dry run, and the plan is valid." in err) == (0, True)

    code, _, err = airflow("aep", "follow", "nothing")
    assert (code, "There is no run nothing of aep_adhoc_activation" in err) == (1, True)


def test_ctrl_c_leaves_the_run_alone(airflow: Command, shipped: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Iterator[runs.RunView]:
        yield runs.RunView("running", {"activate[0]": "running"})
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "views", interrupted)

    code, _, err = airflow("aep", "deliver", "--to", "Mail", "gold", "--run-id", "left-alone")

    assert code == 130
    assert "The run goes on. Follow it: airflow aep follow left-alone" in err
    with create_session() as session:
        [run] = DagRun.find(dag_id=DAG, run_id="left-alone", session=session)
        assert str(run.state) == "queued"


def test_each_change_is_a_line_where_there_is_no_terminal(
    airflow: Command, shipped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = {"wait_for_flow_runs": {"progress": {"ended": 1, "of": 2, "results": []}}}
    seen = [
        runs.RunView("queued"),
        runs.RunView("running", {"activate[0]": "running"}),
        runs.RunView("running", {"activate[0]": "running"}),
        runs.RunView("running", {"activate[0]": "success", "wait_for_flow_runs": "deferred"}, waiting),
        runs.RunView("failed", {"report": "failed"}),
    ]
    monkeypatch.setattr(runs, "views", lambda *_: iter(seen))

    code, _, err = airflow("aep", "follow", shipped)

    assert code == 1
    assert err.splitlines()[:4] == [
        "queued",
        "activate[0]",
        "wait_for_flow_runs, 1 of 2 deliveries ended",
        "failed",
    ]


def test_the_guide_shows_commands_that_there_are() -> None:
    from airflow.cli.cli_parser import get_parser

    guide = (Path(__file__).resolve().parents[3] / "docs" / "terminal.md").read_text()
    lines = [
        line
        for block in re.findall(r"<!-- test: terminal -->\n```bash\n(.*?)```", guide, re.DOTALL)
        for line in block.splitlines()
    ]
    parsed = [get_parser().parse_args(shlex.split(line)[1:]) for line in lines]

    assert {args.func.__name__ for args in parsed} == {"doctor", "catalog", "plan", "deliver", "follow"}
    listed = set(re.findall(r"^\| `airflow aep ([a-z ]+)` \|", guide, re.MULTILINE))
    assert listed == {"doctor", "catalog", "plan", "deliver", "follow", "campaigns check"}


@pytest.mark.parametrize(("content", "code"), [("flow: Mail\n", 1), (None, 0)])
def test_campaign_files_are_checked(airflow: Command, tmp_path: Any, content: str | None, code: int) -> None:
    if content:
        (tmp_path / "spring.yaml").write_text(content)

    found, _, err = airflow("aep", "campaigns", "check", str(tmp_path))

    assert found == code
    assert ("spring.yaml" in err) is bool(content)
    assert airflow("aep", "campaigns", "check", str(tmp_path / "nowhere"))[0] == 2
