"""The plan: its split, its memory, its faults."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import DownstreamTasksSkipped

from adobe_experience_platform.delivery import SETTINGS, xcom
from adobe_experience_platform.errors import AepConnectionConfigError, AepInputError, AepSubmissionError
from adobe_experience_platform.operators.activate import AdHocActivationOperator
from adobe_experience_platform.operators.plan import PlanJobsOperator
from adobe_experience_platform.pipeline import activation_pipeline
from adobe_experience_platform.triggers import submissions_asset
from tests.support.aep import CROWD, RUNS, SEED, LocalAep
from tests.support.dagtest import captured
from tests.support.tasks import Context, Store, TaskInstance


def plan(**arguments: Any) -> PlanJobsOperator:
    arguments = {"activation_info": {"mail": ["gold", "silver"]}, "check_conf": False, **arguments}
    settings = {name: arguments.pop(name) for name in SETTINGS if name in arguments}
    return PlanJobsOperator(task_id="task", settings=settings, **arguments)


def test_jobs_hold_at_most_as_many_pairs_as_told(aep: LocalAep, context: Any) -> None:
    info = {"north": CROWD[:60], "south": CROWD[40:]}

    jobs = plan(activation_info=info, max_audiences_per_job=30).execute(context)

    sizes = [sum(map(len, job["activation_info"].values())) for job in jobs]
    assert (max(sizes), sum(sizes)) == (30, 120)
    audiences = [set().union(*job["activation_info"].values()) for job in jobs]
    assert sum(map(len, audiences)) == 100, "all pairs of an audience are in one job"
    assert [(job["job"], job["of"]) for job in jobs] == [(number + 1, len(jobs)) for number in range(len(jobs))]


def test_a_second_try_keeps_the_split(aep: LocalAep, context: Any) -> None:
    """Otherwise the mapped tasks would find records of other jobs than their own."""
    first = plan(max_audiences_per_job=1).execute(context)

    assert plan(max_audiences_per_job=80).execute(context.cleared()) == first
    assert len(first) == 2


def test_each_job_tells_all_dag_runs_where_its_flow_runs_will_be_noted(aep: LocalAep, context: Any) -> None:
    plan(activation_info={"north": CROWD[:2], "south": CROWD[45:46]}, max_audiences_per_job=1).execute(context)

    told = context["outlet_events"][submissions_asset()].extra["flows"]
    assert {flow_id: len({*names}) for flow_id, names in told.items()} == {"north": 2, "south": 1}


def test_names_and_other_ids_travel_along(aep: LocalAep, context: Any) -> None:
    [job] = plan(activation_info={"mail": ["partner"]}).execute(context)

    assert job["aliases"] == {"partner": "partner-77"}
    assert context.ti.xcom_pull("task", "briefing")["names"] == {"mail": "Mail", "partner": "Partners"}


def test_what_all_others_need_to_know_is_one_xcom(aep: LocalAep, context: Any) -> None:
    plan(activation_info={"mail": ["gold"]}, poll_interval=7).execute(context)

    [(_, key)] = context.ti.xcoms
    told = context.ti.xcom_pull("task", key)
    assert told.keys() == {"settings", "names", "place"} == xcom.Briefing.__annotations__.keys()
    assert (key, told["settings"]["poll_interval"], told["place"]["sandbox_name"]) == ("briefing", 7, "prod")


def test_a_dry_run_keeps_nothing_and_skips_the_rest(aep: LocalAep, context: Any) -> None:
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        plan(dry_run=True, skip_on_dry_run=["b", "a"]).execute(context)
    assert list(skipped.value.tasks) == ["a", "b"]
    assert context["task_state_store"] == {}
    assert context.ti.xcom_pull("task") == []


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"api_version": "v3"}, "api_version is 'v3': choose v2 or v1"),
        ({"on_partial_success": "ok"}, "on_partial_success is 'ok': choose fail or accept"),
        ({"max_audiences_per_job": 81}, "max_audiences_per_job is 81: enter a number from 1 to 80"),
        ({"max_audiences_per_job": 1.5}, "max_audiences_per_job is 1.5: enter a whole number"),
        ({"max_audiences_per_job": True}, "max_audiences_per_job is True"),
        ({"poll_interval": "soon"}, "poll_interval is 'soon': enter a number from 1 to 3600"),
        ({"dry_run": "maybe"}, "dry_run is 'maybe': choose true or false"),
        ({"dry_run": 1}, "dry_run is 1: choose true or false"),
        ({"sandbox_name": 5}, "sandbox_name 5 is not text"),
        ({"sandbox_name": "two words"}, "sandbox_name 'two words' is not a valid AEP id"),
        ({"size_guard": {}}, "size_guard: there is no limit: set at least one of min_records"),
        ({"size_guard": {"max_records": "9"}}, "size_guard.max_records: '9' is not what belongs here: write a whole"),
        ({"size_guard": {"max_record": 9}}, "size_guard.max_record: the key 'max_record' is unknown: did you mean"),
        ({"size_guard": "strict"}, "size_guard is 'strict': enter a JSON object such as {"),
        ({"activation_info": None}, "activation_info is missing"),
        ({"activation_info": "text"}, "activation_info is text"),
        ({"activation_info": []}, "activation_info is a list"),
        ({"activation_info": {"mail": "gold"}}, "flow mail: give its audiences as a list"),
        ({"activation_info": {"mail": ["partner-77"]}}, "is the external id of the imported audience 'Partners'"),
        ({"activation_info": {"north": ["x" * 300]}}, "is neither an id nor a name"),
    ],
)
def test_each_fault_says_what_to_do(aep: LocalAep, context: Any, arguments: Any, fault: str) -> None:
    with pytest.raises(AepInputError) as refused:
        plan(**arguments).execute(context)
    assert fault in str(refused.value)


def test_conf_keys_that_nobody_reads_are_refused(aep: LocalAep, context: Any) -> None:
    with DAG("mine", schedule=None, params={"dry_run": False}):
        task = plan(check_conf=True)
    context["dag_run"].conf = {"dry_run": False, "dryrun": True, "openlineage": {}, "x\n": 1}

    with pytest.raises(AepInputError, match="2 faults") as refused:
        task.execute(context)
    assert "conf key 'dryrun' is unknown: correct or remove it (this DAG's params: dry_run)" in str(refused.value)


def test_a_connection_of_another_type_gets_no_secret(
    aep: LocalAep, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = aep.connection()
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({**connection, "conn_type": "http"}))

    with pytest.raises(AepConnectionConfigError, match="no connection 'other' of type 'adobe_experience_platform'"):
        plan(aep_conn_id="other").execute(context)
    assert aep.requests() == []


# ------------------------------------------------------------------ what is known before, and the size guard

SEGMENT_JOBS = "/data/core/ups/segment/jobs"
GUARD = {"max_records": 1500, "max_change_percent": 50}


def sized(aep: LocalAep, runs: Any = (), **sizes: int) -> None:
    """Let AEP have evaluated the audiences, and have delivered them before."""
    aep.reset({**SEED, "segment_jobs": [{"age": "2h", "sizes": sizes}], "runs": list(runs)})


def run_of(audience: str, records: int, **more: Any) -> dict[str, Any]:
    return {"flow_id": "mail", "audience_ids": [audience], "age": "1d", "records": records, **more}


def test_the_plan_shows_what_aep_tells_of_each_pair(aep: LocalAep, context: Any) -> None:
    sized(aep, [run_of("gold", 777, records_skipped=0), run_of("silver", 5, status="failed")], gold=1234)
    with captured() as lines:
        plan(activation_info={"mail": ["gold", "silver"], "shop": ["gold"]}).execute(context)

    [gold, shop] = [line for line in lines if "Gold customers" in line]
    assert "777 records, 20" in gold
    assert "1,234 (20" in gold
    assert gold.endswith(" %DESTINATION_NAME%_gold_%DATETIME(YYYYMMdd_HHmmss)%")
    assert " none yet " in shop
    [silver] = [line for line in lines if "Silver customers" in line]
    assert " none among the flow's last 2 runs " in silver
    assert " - " in silver
    assert [len(aep.requests(path=path)) for path in (RUNS, SEGMENT_JOBS)] == [1, 1], "few requests, for any plan"


@pytest.mark.parametrize("path", ["*/runs", "*/segment/jobs"])
@pytest.mark.parametrize("status", [403, 503])
def test_without_a_guard_no_figure_is_worth_a_delivery(aep: LocalAep, context: Any, path: str, status: int) -> None:
    aep.add_faults({"kind": "status", "status": status, "path": path, "times": None})
    with captured() as lines:
        assert len(plan().execute(context)) == 1

    assert len([line for line in lines if "not known: GET" in line]) == 1
    assert len(aep.requests(path=path)) <= 2


@pytest.mark.parametrize("asked", [{"body": {"retryAfterMs": "20"}}, {"headers": {"Retry-After": "3600"}}])
def test_without_a_guard_no_pause_is_worth_a_delivery(aep: LocalAep, context: Any, asked: dict[str, Any]) -> None:
    """AEP lets us ask everything but sizes: the plan neither asks on and on nor waits an hour, again and again."""
    aep.add_faults({"kind": "status", "status": 429, "path": "*/segment/jobs", "times": None, **asked})
    assert len(plan().execute(context)) == 1
    assert len(aep.requests(path=SEGMENT_JOBS)) <= 2


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"gold": 1501, "silver": 1000}, "audience 'Gold customers' (gold) of flow 'Mail' (mail) has 1,501 profiles"),
        ({"gold": 1000, "silver": 499}, "50.1% less than the 1,000 records of its last delivery"),
    ],
)
def test_a_breach_sends_nothing_and_says_the_numbers(aep: LocalAep, context: Any, sizes: Any, said: str) -> None:
    before = [run_of("gold", 1000, records_skipped=0), run_of("silver", 1000, records_skipped=0)]
    sized(aep, before, **sizes)
    with pytest.raises(AepInputError, match="Nothing was sent") as refused:
        plan(size_guard=GUARD).execute(context)
    assert said in str(refused.value)
    assert context["task_state_store"] == {}
    assert context.ti.xcom_pull("task") is None

    sized(aep, before, gold=1100, silver=900)
    assert len(plan(size_guard=GUARD).execute(context.cleared())) == 1, "a clear looks again"


def test_what_a_guard_has_let_pass_stays_so(aep: LocalAep, context: Any) -> None:
    sized(aep, gold=1000, silver=1000)
    jobs = plan(size_guard={"max_records": 1500}).execute(context)

    sized(aep, gold=9999, silver=1000)
    assert plan(size_guard={"max_records": 1500}).execute(context.retried()) == jobs
    with captured() as lines:
        assert plan(size_guard={"max_records": 1500}).execute(context.cleared()) == jobs
    [warning] = [line for line in lines if "9,999 profiles" in line]
    assert warning.endswith("(this run goes on, because its plan was let through before)"), "but not in silence"


def test_a_dry_run_shows_a_breach_as_a_fault(aep: LocalAep, context: Any) -> None:
    sized(aep, gold=9999, silver=1000)
    with pytest.raises(AepInputError, match="9,999 profiles"):
        plan(size_guard=GUARD, dry_run=True).execute(context)


@pytest.mark.parametrize("on_unknown", ["send", "refuse"])
def test_what_is_not_known_is_decided_by_on_unknown(aep: LocalAep, context: Any, on_unknown: str) -> None:
    aep.add_faults({"kind": "status", "status": 403, "path": "*/segment/jobs", "times": None})
    with captured() as lines:
        refused = None
        try:
            plan(size_guard={"max_records": 5, "on_unknown": on_unknown}).execute(context)
        except AepInputError as error:
            refused = error
    said = str(refused or "\n".join(lines))
    assert (refused is None) is (on_unknown == "send")
    assert said.count("its size is not known (GET /segment/jobs failed with HTTP 403)") == 2
    [cause] = [line for line in lines if line.startswith("audience sizes are not known: GET /segment/jobs failed")]
    assert "give the credential a role on this sandbox" in cause, "also in front of a refusal"


def test_a_cleared_plan_asks_about_what_has_come_up_since(aep: LocalAep, context: Any) -> None:
    guard = {**GUARD, "on_breach": "ask"}
    sized(aep, gold=1000, silver=1000)
    plan(size_guard=guard, has_approval=True).execute(context)
    assert context.ti.xcom_pull("task", "outlook")["asks"] == []

    sized(aep, gold=9999, silver=1000)
    plan(size_guard=guard, has_approval=True).execute(context.cleared())
    [asked] = context.ti.xcom_pull("task", "outlook")["asks"]
    assert "9,999 profiles" in asked


def test_a_person_decides_on_a_breach_and_the_plan_keeps_what_they_are_asked(aep: LocalAep, context: Any) -> None:
    sized(aep, gold=9999, silver=1000)
    guard = {**GUARD, "on_breach": "ask"}
    jobs = plan(size_guard=guard, has_approval=True).execute(context)

    note = context.ti.xcom_pull("task", "outlook")
    assert [row[:2] for row in note["pairs"]] == [["mail", "gold"], ["mail", "silver"]]
    [asked] = note["asks"]
    assert "9,999 profiles" in asked
    sized(aep, gold=10, silver=10)
    assert plan(size_guard=guard, has_approval=True).execute(context.cleared()) == jobs
    assert context.ti.xcom_pull("task", "outlook")["asks"] == [asked]


@pytest.mark.parametrize(("on_breach", "asks"), [("ask", []), ("refuse", None), (None, None)])
def test_an_approval_knows_whether_a_guard_has_looked(aep: LocalAep, context: Any, on_breach: Any, asks: Any) -> None:
    guard = {"max_records": 9999, "on_breach": on_breach} if on_breach else None
    plan(size_guard=guard, has_approval=True).execute(context)
    assert context.ti.xcom_pull("task", "outlook")["asks"] == asks


def test_a_breach_is_no_question_where_nobody_is_asked(aep: LocalAep, context: Any) -> None:
    with pytest.raises(AepInputError, match="has no approval step: choose refuse, or add approval"):
        plan(size_guard={"max_records": 5, "on_breach": "ask"}).execute(context)


# ------------------------------------------------------------------ one DAG run, several lists

BOTH, GOLD, BRONZE = {"mail": ["gold", "silver"]}, {"mail": ["gold"]}, {"mail": ["bronze"]}


class Notes(dict[str, Any]):
    """The state store of one asset; something else happens before one of the writes."""

    left = -1
    interrupt: Any = None

    def set(self, key: str, value: Any) -> None:
        self.left -= 1
        if self.left == -1:
            self.interrupt()
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.pop(key, None)


class Place:
    """A task of a DAG run that plans, or sends what its author lists."""

    def __init__(self, notes: Notes, task: Any, map_index: int = -1) -> None:
        ti = TaskInstance()
        ti.task_id, ti.map_index = task.task_id, map_index
        self.task, self.took = task, False
        self.context = Context(
            ti=ti,
            task_state_store=Store(),
            dag_run=SimpleNamespace(conf={}, clear_number=0),
            asset_state_store={submissions_asset(): notes},
            dag=task.dag,
        )

    def start(self) -> str:
        """Run to what it plans, or to where it would wait or send; return why it refuses."""
        try:
            if isinstance(self.task, PlanJobsOperator):
                self.task.execute(self.context)
            else:
                submission = self.task._submission(self.context)
                submission.store.set(submission.key, submission.record.to_json())
        except AepSubmissionError as error:
            return str(error)
        self.took = True
        return ""

    def clear(self) -> str:
        self.context["dag_run"].clear_number += 1
        self.context.cleared()
        return self.start()


def places(notes: Notes, second: str, info: Any = GOLD) -> tuple[Place, Place]:
    with DAG("dag", schedule=None) as dag:
        activation_pipeline(activation_info=BOTH, group_id="one", prefix_group_id=True)
        if second == "own":
            other: Any = AdHocActivationOperator(task_id="own", activation_info=info)
        elif second == "mapped":
            mapped: Any = AdHocActivationOperator.partial(task_id="own").expand(activation_info=[info])
            other = mapped.unmap({"activation_info": info})
        else:
            activation_pipeline(activation_info=info, group_id="two", prefix_group_id=True)
            other = dag.get_task("two.plan_jobs")
    return Place(notes, dag.get_task("one.plan_jobs")), Place(notes, other, 0 if second == "mapped" else -1)


SECOND = pytest.mark.parametrize("second", ["pipeline", "own", "mapped"])


@SECOND
@pytest.mark.parametrize("order", ["plan_first", "plan_last"])
def test_a_pair_that_two_lists_of_a_run_name_is_taken_once(aep: LocalAep, second: str, order: str) -> None:
    first, other = places(Notes(), second)
    if order == "plan_last":
        first, other = other, first
    assert first.start() == ""

    for said in (other.start(), other.start(), other.clear()):
        assert "audience gold → flow mail" in said
        assert "silver" not in said
    assert first.start() == ""
    assert not other.took


@SECOND
def test_lists_that_share_no_pair_are_all_delivered(aep: LocalAep, second: str) -> None:
    first, other = places(Notes(), second, BRONZE)

    assert [first.start(), other.start()] == ["", ""]
    assert [first.clear(), other.clear()] == ["", ""]


@SECOND
@pytest.mark.parametrize("write", range(12))
def test_of_two_lists_at_once_at_most_one_takes_a_pair(aep: LocalAep, second: str, write: int) -> None:
    notes = Notes()
    first, other = places(notes, second)
    notes.left, notes.interrupt = write, other.start

    first.start()

    assert notes.left < 0, "it wrote less often than that"
    assert not (first.took and other.took)
    assert first.clear() == "" or other.took


def test_a_pipeline_that_is_alone_in_its_dag_pays_nothing_for_that(aep: LocalAep) -> None:
    with DAG("dag", schedule=None) as dag:
        activation_pipeline(activation_info={"mail": ["gold"]})
    alone, notes = Notes(), Notes()
    assert Place(alone, dag.get_task("plan_jobs")).start() == ""
    first, _ = places(notes, "pipeline")
    assert first.start() == ""
    assert len(alone) < 10 < len(notes)


def test_what_the_jobs_of_a_plan_note_is_listed_once(aep: LocalAep) -> None:
    """Each call goes through Airflow's API server, and a run has up to 63 jobs."""
    asked: list[str] = []

    class Counted(Notes):
        def get(self, key: str, default: Any = None) -> Any:
            asked.append(key)
            return super().get(key, default)

        def set(self, key: str, value: Any) -> None:
            asked.append(key)
            super().set(key, value)

    notes = Counted()
    with DAG("dag", schedule=None):
        plan = PlanJobsOperator(
            task_id="plan", activation_info={"north": CROWD[:20]}, settings={"max_audiences_per_job": 1}
        )

    assert Place(notes, plan).start() == ""

    assert len(asked) == 1 + 2 + 1 + 20 + 1, "the run; which runs; what it will note; the jobs; how many there are"
