"""Every templated argument as a template: the value that it says, in a DAG of either way of rendering."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import jinja2
import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.xcom_arg import _ConcatResult, _MapResult, _ZipResult
from airflow.sdk.execution_time.lazy_sequence import LazyXComSequence

from adobe_experience_platform.aep import Pair
from adobe_experience_platform.delivery import READINGS, DeliverySettings, parse_activation_info
from adobe_experience_platform.errors import AepInputError
from adobe_experience_platform.operators import (
    AdHocActivationOperator,
    ApproveDeliveryOperator,
    CatalogOperator,
    DeliveryOperator,
    LatestSegmentExportOperator,
    PlanJobsOperator,
)
from adobe_experience_platform.operators.templates import TypedTemplates
from adobe_experience_platform.sensors import FlowRunSensor, SegmentExportSensor
from adobe_experience_platform.sensors.flow_run import deliveries_of
from tests.support.aep import LocalAep

IDS = ["007", "None", "1e5", "True", "1_000", "0x1F", "null", "nan"]
"""Ids that a literal looks like; an evaluation would make something else of each."""
INFO = {"1e5": IDS, "None": ["true"]}
JOB = {"job": 1, "of": 1, "activation_info": INFO, "aliases": {"007": "1e5"}}
ORDERS = [{"flow_id": "1e5", "audience_id": "007", "run_id": "None", "adopted": False}]
NAMES = {"007": "None", "1e5": "[1, 2]"}
DAY = {"held": True, "plan": "plan_jobs", "day": "2026-03-10", "export_id": "1e5"}
VALUES: dict[str, Any] = {
    "activation_info": INFO,
    "job": JOB,
    "jobs": [JOB],
    "orders": ORDERS,
    "names": NAMES,
    "campaign_day": DAY,
    "settings": {"sandbox_name": "007", "poll_interval": 45},
    "briefing": {"settings": {"sandbox_name": "007", "poll_interval": 45}, "names": NAMES},
    "export_job_id": "007",
    "wait_for_completion": True,
    "resend_failed": False,
    "aep_conn_id": "1e5",
    "sandbox_name": "007",
    "api_version": "v1",
    "on_conflict": "adopt",
    "on_partial_success": "accept",
    "on_failed_records": "fail",
    "max_export_age_hours": 12.5,
    "export_timeout_minutes": 7,
    "activation_timeout_minutes": 8,
    "poll_interval": 9,
}
ALWAYS: dict[Any, dict[str, Any]] = {
    AdHocActivationOperator: {},
    ApproveDeliveryOperator: {"jobs": [], "plan_task_id": "plan_jobs"},
    CatalogOperator: {},
    DeliveryOperator: {"jobs": [], "submit_task_id": "activate", "briefing": None},
    FlowRunSensor: {},
    LatestSegmentExportOperator: {},
    PlanJobsOperator: {"activation_info": None},
    SegmentExportSensor: {},
}
ARGUMENTS = [(kind, name) for kind in ALWAYS for name in kind.template_fields if name not in ("subject", "body")]


class Lazy(Sequence[Any]):
    """What Airflow hands over for the outputs of a mapped task; a slice is one request, an item another."""

    def __init__(self, *items: Any) -> None:
        self._items = items
        self.requests = 0

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, key: Any) -> Any:
        self.requests += 1
        return list(self._items)[key]


Lazy.__name__ = LazyXComSequence.__name__  # by which it is told from what cannot be sliced


@pytest.fixture(params=[False, True], ids=["text", "native"])
def native(request: pytest.FixtureRequest) -> bool:
    found: bool = request.param
    return found


def rendered(kind: Any, native: bool, given: dict[str, Any], context: dict[str, Any]) -> Any:
    """Make a task in a DAG and render it as Airflow's task runner does."""
    with DAG("templates", schedule=None, render_template_as_native_obj=native) as dag:
        task = kind(task_id="task", **{**ALWAYS[kind], **given})
    task.render_template_fields({"task": task, "dag": dag, **context}, dag.get_template_env())
    return task


def test_every_templated_argument_is_declared() -> None:
    assert {name for _, name in ARGUMENTS} == set(VALUES)
    assert set(READINGS) | set(DeliverySettings.model_fields) >= set(VALUES)


WAYS = {
    "a param": lambda _: "{{ params.given }}",
    "JSON": lambda _: "{{ params.given | tojson }}",
    "text of Python": lambda value: repr(value) if not isinstance(value, str) else value,
    "text of JSON": lambda value: json.dumps(value) if not isinstance(value, str) else value,
    "a condition": lambda _: "{% if params.given is not none %}{{ params.given }}{% endif %}",
    "a constant": lambda value: "{{ " + repr(value) + " }}",
    "text around": lambda _: " {{ params.given }} ",
}
QUOTING = ("JSON", "text around")


def each_read(kind: Any, native: bool, templates: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Render all arguments of a task, and read them; ``briefing`` is a second task's, as it stands for the others."""
    names = [name for found, name in ARGUMENTS if found is kind]
    alone = [name for name in names if name in ("briefing", "settings")]
    found: dict[str, Any] = {}
    for group in ([name for name in names if name not in alone], alone):
        task = rendered(kind, native, {name: templates[name] for name in group}, {"params": params})
        found |= {name: task.given(name) if name in READINGS else getattr(task.options, name) for name in group}
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ALWAYS)
def test_a_template_says_the_value(kind: Any, way: str, native: bool) -> None:
    # Nobody writes an id as JSON, or with spaces around it.
    how = {name: "a param" if isinstance(value, str) and way in QUOTING else way for name, value in VALUES.items()}
    templates = {
        name: WAYS[how[name]](value).replace("params.given", f"params.{name}") for name, value in VALUES.items()
    }

    for name, found in each_read(kind, native, templates, VALUES).items():
        assert found == VALUES[name], name


@pytest.mark.parametrize("nothing", ["{{ none }}", "{{ params.nothing }}", "", "None", " ", "{{ '' }}", None])
@pytest.mark.parametrize("kind", ALWAYS)
def test_a_template_without_a_value_is_not_given(kind: Any, nothing: Any, native: bool) -> None:
    not_given = {**DeliverySettings().to_json(), "max_export_age_hours": None, "resend_failed": True}

    found = each_read(kind, native, dict.fromkeys(VALUES, nothing), {"nothing": None})

    not_given["wait_for_completion"] = False
    assert found == {name: not_given.get(name) for name in found}


@pytest.mark.parametrize("nothing", ["null", "{{ none | tojson }}"])
@pytest.mark.parametrize("kind", ALWAYS)
def test_null_is_not_given_where_no_id_is_meant(kind: Any, nothing: str, native: bool) -> None:
    templates = {**dict.fromkeys(VALUES, nothing), "sandbox_name": "dev", "aep_conn_id": "aep"}
    defaults = {**DeliverySettings().to_json(), "max_export_age_hours": None, "resend_failed": True}

    found = each_read(kind, native, templates, {})

    given = {"wait_for_completion": False, "sandbox_name": "dev", "aep_conn_id": "aep"}
    assert found == {name: {**defaults, **given}.get(name) for name in found}


@pytest.mark.parametrize(("kind", "name"), [item for item in ARGUMENTS if item[1] in ("activation_info", "job")])
def test_templates_inside_a_mapping_leave_ids_alone(kind: Any, name: str, native: bool) -> None:
    info = {"1e5": ["{{ params.first }}", "None", "{{ '007' }}"], "None": "{{ params.all }}", "f": "{{ ['True'] }}"}
    given = info if name == "activation_info" else {"activation_info": info, "aliases": {}}

    task = rendered(kind, native, {name: given}, {"params": {"first": "True", "all": ("1e5", "null")}})

    found = task.given(name)
    pairs = parse_activation_info(found if name == "activation_info" else task._job({}).to_json()["activation_info"])
    assert pairs == tuple(
        Pair(*pair)
        for pair in [("1e5", "True"), ("1e5", "None"), ("1e5", "007"), ("None", "1e5"), ("None", "null"), ("f", "True")]
    )


@pytest.mark.parametrize("kind", [PlanJobsOperator, AdHocActivationOperator, SegmentExportSensor])
@pytest.mark.parametrize("way", ["as it is", "a param"])
def test_outputs_of_a_mapped_task_are_a_list_of_audiences(kind: Any, way: str, native: bool) -> None:
    outputs = Lazy(*IDS)
    audiences = outputs if way == "as it is" else "{{ params.outputs }}"

    task = rendered(kind, native, {"activation_info": {"mail": audiences}}, {"params": {"outputs": outputs}})

    assert task.given("activation_info") == {"mail": IDS}
    assert outputs.requests == 1


def test_airflows_lazy_sequence_is_the_sequence_meant_here() -> None:
    assert issubclass(LazyXComSequence, Sequence)


@pytest.mark.parametrize(
    "audiences",
    [
        ("gold", "silver"),
        Lazy("gold", "silver"),
        {"gold", "silver"},
        {"gold": 1, "silver": 2}.keys(),
        {1: "gold", 2: "silver"}.values(),
        deque(["gold", "silver"]),
        _MapResult(Lazy({"id": "gold"}, {"id": "silver"}), [itemgetter("id")]),
        _ConcatResult([["gold"], Lazy("silver")]),
        "['gold', 'silver']",
    ],
    ids=["tuple", "lazy", "set", "keys", "values", "deque", "map", "concat", "text"],
)
def test_any_sequence_of_audiences_will_do(aep: LocalAep, context: Any, audiences: Any) -> None:
    context["params"] = {}
    task = rendered(PlanJobsOperator, False, {"activation_info": {"mail": audiences}, "check_conf": False}, context)

    [job] = task.execute(context)

    assert sorted(job["activation_info"]["mail"]) == ["gold", "silver"]


@pytest.mark.parametrize(
    ("kind", "name", "given"),
    [
        (FlowRunSensor, "orders", Lazy(*ORDERS)),
        (FlowRunSensor, "orders", Lazy(Lazy(*ORDERS))),
        (FlowRunSensor, "orders", tuple(ORDERS)),
        (FlowRunSensor, "orders", _MapResult([{"order": ORDERS}], [itemgetter("order")])),
        (FlowRunSensor, "orders", _ConcatResult([ORDERS, Lazy()])),
        (FlowRunSensor, "orders", _ZipResult([ORDERS])),
        (DeliveryOperator, "jobs", Lazy(JOB)),
        (ApproveDeliveryOperator, "jobs", Lazy(JOB)),
        (SegmentExportSensor, "activation_info", Lazy(JOB)),
    ],
)
def test_lists_may_be_lazy(kind: Any, name: str, given: Any, native: bool) -> None:
    task = rendered(kind, native, {name: "{{ params.given }}"}, {"params": {"given": given}})

    found = task.given(name)

    if name == "orders":
        assert [item._asdict() for item in deliveries_of(found)] == ORDERS
    else:
        assert found == [JOB]


@pytest.mark.parametrize("run", ["None-1", "007", "1e5"])
def test_a_run_id_alone_stays_text(run: str, native: bool) -> None:
    task = rendered(FlowRunSensor, native, {"orders": "{{ params.run }}"}, {"params": {"run": run}})

    assert [item.run_id for item in deliveries_of(task.given("orders"))] == [run]


def test_a_number_is_an_export_jobs_id(native: bool) -> None:
    """AEP's samples write it both ways."""
    task = rendered(AdHocActivationOperator, native, {"export_job_id": "{{ 722 }}"}, {})

    assert task.given("export_job_id") == "722"


@pytest.mark.parametrize(
    ("kind", "name", "given", "fault"),
    [
        (AdHocActivationOperator, "export_job_id", "{{ 1.5 }}", "export_job_id 1.5 is not text"),
        (AdHocActivationOperator, "export_job_id", "two words", "is not a valid AEP id"),
        (AdHocActivationOperator, "wait_for_completion", "perhaps", "wait_for_completion is 'perhaps'"),
        (AdHocActivationOperator, "campaign_day", "held", "campaign_day is 'held': enter a mapping"),
        (AdHocActivationOperator, "briefing", "{{ [1] }}", "briefing is \\[1\\]: enter a mapping"),
        (AdHocActivationOperator, "briefing", "{'mail': 'Mail'}", "pass the XCom briefing of plan_jobs"),
        (FlowRunSensor, "names", "{'a': ", "names is .*: enter a mapping"),
    ],
)
def test_what_cannot_be_meant_is_refused(kind: Any, name: str, given: str, fault: str, native: bool) -> None:
    task = rendered(kind, native, {name: given}, {})

    with pytest.raises(AepInputError, match=fault):
        task.given(name)


@pytest.mark.parametrize("text", ["[" * 100_000, "{" + "'a':{" * 50_000, "(" * 2_000 + ")" * 2_000, "{'a': b()}"])
def test_text_that_is_no_literal_is_refused_and_never_run(aep: LocalAep, context: Any, text: str) -> None:
    with pytest.raises(AepInputError, match="activation_info is"):
        PlanJobsOperator(task_id="task", activation_info=text, check_conf=False).execute(context)


def test_a_name_that_is_not_known_fails_the_rendering(native: bool) -> None:
    with DAG(
        "strict", schedule=None, render_template_as_native_obj=native, template_undefined=jinja2.StrictUndefined
    ) as dag:
        task = SegmentExportSensor(task_id="task", sandbox_name="{{ nowhere }}")

    with pytest.raises(jinja2.UndefinedError, match="'nowhere' is undefined"):
        task.render_template_fields({"dag": dag}, dag.get_template_env())


def test_plain_text_costs_no_template(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TypedTemplates, "_typed_env", property(lambda _: pytest.fail("it was compiled")))

    task = rendered(AdHocActivationOperator, native, {"sandbox_name": "dev }} #", "activation_info": INFO}, {})

    assert (task.sandbox_name, task.activation_info) == ("dev }} #", INFO)


@pytest.mark.parametrize("text", ["{{ 'dev' }}", "{# why #}dev", "{% if true %}dev{% endif %}", "dev\n", "dev\r\n"])
def test_what_jinja_changes_is_left_to_it(native: bool, text: str) -> None:
    assert rendered(AdHocActivationOperator, native, {"sandbox_name": text}, {}).sandbox_name == "dev"


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"variable_start_string": "[[", "variable_end_string": "]]"}, "[[ 'dev' ]]"),
        ({"line_comment_prefix": "#"}, "dev# a comment"),
    ],
)
def test_a_dags_own_signs_of_jinja_count(native: bool, kwargs: dict[str, Any], text: str) -> None:
    with DAG("own", schedule=None, render_template_as_native_obj=native, jinja_environment_kwargs=kwargs) as dag:
        task = AdHocActivationOperator(task_id="task", sandbox_name=text)
    task.render_template_fields({"dag": dag}, dag.get_template_env())

    assert task.sandbox_name == "dev"


def test_templates_stay_in_the_sandbox(native: bool) -> None:
    with pytest.raises(jinja2.exceptions.SecurityError):
        rendered(SegmentExportSensor, native, {"sandbox_name": "{{ ''.__class__.__mro__ }}"}, {})


def test_what_a_dags_author_added_to_jinja_works(native: bool) -> None:
    with DAG(
        "own", schedule=None, render_template_as_native_obj=native, user_defined_macros={"info": lambda: INFO}
    ) as dag:
        task = AdHocActivationOperator(task_id="task", activation_info="{{ info() }}")
    task.render_template_fields({"dag": dag}, dag.get_template_env())

    assert task.given("activation_info") == INFO


def test_a_mapped_task_renders_the_same_way(native: bool) -> None:
    with DAG("mapped", schedule=None, render_template_as_native_obj=native) as dag:
        mapped = AdHocActivationOperator.partial(task_id="task", sandbox_name="{{ params.sandbox }}").expand(
            export_job_id=["{{ params.export }}", "1e5"]
        )
    task = mapped.unmap({"export_job_id": "{{ params.export }}"})
    task.render_template_fields({"dag": dag, "params": {"sandbox": "1e5", "export": "None-7"}}, dag.get_template_env())

    assert (task.options.sandbox_name, task.given("export_job_id")) == ("1e5", "None-7")
