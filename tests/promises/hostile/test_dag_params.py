"""Whatever a person or an API client enters as a param: a message, never a rendered template or a wrong address."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseHook
from airflow.sdk.exceptions import ParamValidationError
from hypothesis import given
from hypothesis import strategies as st

from adobe_experience_platform import activation_pipeline
from adobe_experience_platform.aep import endpoints
from adobe_experience_platform.delivery import SETTINGS, read_activation_info
from adobe_experience_platform.errors import AepConnectionConfigError, AepInputError
from adobe_experience_platform.operators.plan import PlanJobsOperator
from tests.promises.hostile.material import NASTY_TEXTS, VALUES, check_message, deep
from tests.support.aep import LocalAep
from tests.support.dagtest import play
from tests.support.hooks import Async, Sync
from tests.support.tasks import Context, Store, TaskInstance

TEMPLATE = "{{ 'JIN' ~ 'JA' }}"
TEMPLATES = [
    TEMPLATE,
    "{% if true %}{{ 'JIN' ~ 'JA' }}{% endif %}",
    "{{ conn.aep_default.password }}",
    "{{ macros.os }}",
]
PARAMS = SETTINGS
KINDS = ["nan", "infinite", "huge", "endless", "deep", "text"]


def refused_by_plan(**arguments: Any) -> AepInputError:
    """Plan something that has at least one fault, and return the refusal."""
    plan = PlanJobsOperator(task_id="plan", activation_info={}, check_conf=False).prepare_for_execution()
    vars(plan).update(arguments)  # they are resolved when the task runs
    with pytest.raises(AepInputError) as caught:
        plan.execute(
            Context(ti=TaskInstance(), task_state_store=Store(), dag_run=SimpleNamespace(conf={}, clear_number=0))
        )
    check_message(caught.value)
    return caught.value


# -- every param, without Airflow's own check of the form


@pytest.mark.parametrize("param", SETTINGS)
@given(value=VALUES)
def test_any_value_of_a_param_is_taken_or_refused_in_words(param: str, value: Any) -> None:
    refused_by_plan(settings={param: value})


@pytest.mark.parametrize("param", SETTINGS)
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 10**400, 10**5000, deep(), "\x1b[31m\n{{ 7*7 }}"], ids=KINDS
)
def test_what_no_param_takes_is_named(param: str, value: Any) -> None:
    faults = refused_by_plan(settings={param: value}).faults
    assert [fault for fault in faults if fault.startswith(param)], faults


@given(st.dictionaries(st.sampled_from(NASTY_TEXTS), st.lists(st.sampled_from(NASTY_TEXTS), max_size=3), max_size=3))
def test_strange_ids_and_names_are_refused_in_words(info: dict[str, list[str]]) -> None:
    if not read_activation_info(info, names=True)[1]:
        return  # AEP may know these names
    refused_by_plan(activation_info=info)


NO_CONNECTION = [
    *(text for text in NASTY_TEXTS if text not in ("nan", "Infinity", "1e400", "-1")),
    "../variables/secret",
    "a/../b",
    "a//b",
    "https://x",
    "team/aep.prod-1",
    "Aep#2",
]


@pytest.mark.parametrize("kind", [Sync, Async], ids=["worker", "triggerer"])
@pytest.mark.parametrize("conn_id", NO_CONNECTION, ids=lambda text: ascii(text)[:30])
def test_what_is_no_connection_id_is_never_asked_for(kind: Any, conn_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow puts it into the path of a URL as it is."""
    asked: list[str] = []
    monkeypatch.setattr(BaseHook, "get_connection", asked.append)
    monkeypatch.setattr(BaseHook, "aget_connection", asked.append)
    hook = kind(conn_id=conn_id)
    with pytest.raises(
        AepConnectionConfigError, match=r"aep_conn_id .*(is not a valid connection id|is empty)"
    ) as caught:
        hook.call(endpoints.destination_flows())
    hook.close()
    check_message(caught.value)
    assert asked == []


@pytest.mark.parametrize("conn_id", ["aep_default", "team.aep-prod:1"])
def test_what_is_a_plain_connection_id_is_asked_for(conn_id: str) -> None:
    with pytest.raises(AepConnectionConfigError, match="There is no connection"):
        Sync(conn_id=conn_id).call(endpoints.destination_flows())


# -- through Airflow


@pytest.mark.parametrize(
    "conf",
    [
        {"info": {template: ["gold"] for template in TEMPLATES}},
        {"info": {"mail": [*TEMPLATES, "gold"]}},
        *({"info": {"mail": ["gold"]}, "sandbox_name": text, "aep_conn_id": text} for text in TEMPLATES[1:3]),
    ],
    ids=["flows", "audiences", "places", "places with a secret"],
)
def test_ids_are_never_rendered(aep: LocalAep, deliver: Any, conf: Any) -> None:
    run = deliver(**conf)
    assert run.state == "failed"
    assert run.states()["plan_jobs"] == "failed"
    assert sum(run.log.count(ascii(template)) for template in TEMPLATES) >= 2, "the faults do not show what was entered"
    for rendered in ("JINJA", aep.connection()["password"], "<module"):
        assert rendered not in run.log
    assert aep.posts() == []


@pytest.mark.parametrize("param", ["api_version", "on_conflict", "on_partial_success", "poll_interval", "dry_run"])
def test_the_form_takes_no_template_for_a_choice(aep: LocalAep, deliver: Any, param: str) -> None:
    with pytest.raises(ParamValidationError):
        deliver({"mail": ["gold"]}, **{param: TEMPLATE})
    assert aep.requests() == []


def test_templates_in_params_of_somebodys_own_dag_are_never_rendered(airflow_db: None, aep: LocalAep, run: Any) -> None:
    """There no form checks them: each reaches the first task as it was entered, and is refused there."""
    names = SETTINGS
    with DAG("own_untyped", schedule=None, params=dict.fromkeys(names)) as dag:
        activation_pipeline(activation_info={"mail": ["gold"]}, **{name: dag.param(name) for name in names})

    played = run(dag, **dict.fromkeys(names, TEMPLATE))

    assert played.states()["plan_jobs"] == "failed"
    assert "JINJA" not in played.log
    for name in names:
        assert f"- {name} " in played.log
    assert aep.requests() == []


def test_names_that_aep_gives_are_neither_rendered_nor_let_loose(aep: LocalAep, deliver: Any) -> None:
    aep.reset(hostile_seed())
    aep.add_outcomes({"audience_id": "bad", "status": "failed", "code": "X\n-1", "message": "No\nFORGED\x1b[31m disk"})

    run = deliver({"mail": ["gold", "bad"]})

    assert run.states()["activate[0]"] == "success"
    assert run.states()["report"] == "failed"
    check_log(run.log)
    for text in (TEMPLATE, "[bold]Mail[/bold] <b>", "[X -1] No FORGED [31m disk"):
        assert text in run.log
    assert run.xcom("plan_jobs", "briefing")["names"]["gold"] == f"Gold FORGED [31m {TEMPLATE}"


def test_the_catalog_shows_strange_names_in_one_line(airflow_db: None, aep: LocalAep) -> None:
    from airflow.dag_processing.dagbag import DagBag

    from tests.airflow.dags.conftest import DAGS

    aep.reset(hostile_seed())
    dag = DagBag(DAGS).dags["aep_catalog"]

    run = play(dag, {})

    assert run.state == "success"
    check_log(run.log)
    row, to_paste = [line for line in run.log.splitlines() if "Gold" in line]
    assert TEMPLATE in row
    assert TEMPLATE in to_paste
    assert "[bold]Mail[/bold] <b>" in run.log


def hostile_seed() -> dict[str, Any]:
    """Return an AEP whose people give strange names."""
    return {
        "settings": {"run_variation": 0, "daily_export": False},
        "audiences": [
            {"id": "gold", "name": f"Gold\nFORGED\x1b[31m\u2028{TEMPLATE}", "size": 10},
            {"id": "bad", "name": "Bad\r\x00\x07\u202e", "size": 10},
        ],
        "flows": [{"id": "mail", "name": "[bold]Mail[/bold] <b>\nFORGED", "audiences": ["gold", "bad"]}],
        "export_jobs": [{"id": 722, "age": "3h"}],
    }


def check_log(log: str) -> None:
    for line in log.split("\n"):
        assert not line.lstrip().startswith("FORGED"), "a name made a line of its own"
        assert line.isprintable(), ascii(line)
    assert "JINJA" not in log


# -- as many as one likes


def test_ten_thousand_destinations_are_refused_without_asking_aep_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlanJobsOperator, "hook", property(lambda _: pytest.fail("AEP was asked")))
    (fault,) = refused_by_plan(activation_info={f"flow-{number}": ["gold"] for number in range(10_000)}).faults[:1]
    assert fault.startswith("10,000 audiences are more than one run takes")
