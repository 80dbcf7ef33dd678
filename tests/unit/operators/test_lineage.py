"""What a delivery tells OpenLineage and other DAGs."""

from __future__ import annotations

from typing import Any

import pytest

from adobe_experience_platform.aep.flow_runs import RunStatus
from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.delivery.results import NOT_SENT, Result, without_run
from adobe_experience_platform.operators.lineage import RUN_IDS_SHOWN, delivered_flows, openlineage_of
from adobe_experience_platform.operators.report import DeliveryReportOperator


def result(flow: str, audience: str, run: str = "run-1", records: int | None = 5, **changes: object) -> Result:
    found = without_run(Pair(flow, audience), RunStatus.SUCCESS, "")
    found["run_id"], found["records_exported"] = run, records
    return Result(**{**found, **changes})  # type: ignore[typeddict-item]


def figures(audiences: int = 1, **told: int) -> dict[str, object]:
    return {"figures": {"audiences": audiences, **told}}


def test_counts_come_per_flow() -> None:
    told = delivered_flows(
        [
            result("mail", "gold", **figures(2, files=2, bytes=900)),
            result(
                "mail", "silver", status=RunStatus.PARTIAL_SUCCESS, records_failed=2, **figures(2, files=2, bytes=900)
            ),
            result("mail", "bronze", "run-2", 0, adopted=True, **figures(files=1, bytes=0)),
            result("shop", "gold", status=NOT_SENT),
        ]
    )

    assert told == {
        "mail": {
            "flow_id": "mail",
            "audiences": 3,
            "partly": 1,
            "adopted": 1,
            "records_exported": 10,
            "records_failed": None,
            "files": 3,
            "bytes": 900,
            "runs": 2,
            "run_ids": ["run-1", "run-2"],
        }
    }


@pytest.mark.parametrize(
    ("other", "known"),
    [
        (result("mail", "silver", "run-2", 1, **figures(files=1, bytes=1)), (6, 2, 8)),
        (result("mail", "silver", "run-2", None, **figures(files=1, bytes=1)), (None, 2, 8)),
        (result("mail", "silver", "run-2", None, records_exported_in_run=4, **figures(bytes=1)), (9, None, 8)),
        (result("mail", "silver", "run-2", None, records_exported_in_run=4, **figures(2, bytes=1)), (None, None, None)),
        (result("mail", "silver", "run-2", 1, **figures(bytes=1)), (6, None, 8)),
        (result("mail", "silver", "run-2", 1, **figures(2, files=1, bytes=1)), (6, None, None)),
        (result("mail", "silver", "run-2", 1), (6, None, None)),
    ],
    ids=[
        "all",
        "no records",
        "records of its run",
        "records of a run for others too",
        "no files",
        "a run that delivered for others too",
        "no figures",
    ],
)
def test_what_aep_does_not_give_for_all_of_it_is_unknown(other: Result, known: tuple[int | None, ...]) -> None:
    flow = delivered_flows([result("mail", "gold", **figures(files=1, bytes=7)), other])["mail"]
    assert (flow["records_exported"], flow["files"], flow["bytes"]) == known


@pytest.mark.parametrize(
    ("results", "failed"),
    [
        ([{"records_failed": 3}, {"records_failed": 0}], 3),
        ([{"records_failed": 3}, {"records_failed": None}], None),
        ([{"records_failed_in_run": 400}, {"records_failed_in_run": 400}], 400),
        ([{"records_failed": 3}, {"records_failed_in_run": 400}], 400),
        ([{"records_failed_in_run": 400}], None),
    ],
    ids=["counted", "one is not", "of the whole run", "in part of the whole run", "of a run for others too"],
)
def test_records_that_failed_are_none_only_where_aep_says_so(results: Any, failed: int | None) -> None:
    told = [result("mail", f"a{number}", **figures(2, files=1), **given) for number, given in enumerate(results)]
    assert delivered_flows(told)["mail"]["records_failed"] == failed


def test_an_event_stays_small() -> None:
    told = delivered_flows(result("mail", f"a-{number}", f"run-{number % 4000}") for number in range(5000))

    assert (told["mail"]["runs"], len(told["mail"]["run_ids"])) == (4000, RUN_IDS_SHOWN)


def test_openlineage_sees_each_flow_as_a_data_set_that_was_written() -> None:
    pytest.importorskip("airflow.providers.openlineage.extractors")

    run = figures(2, files=2, bytes=900)
    lineage = openlineage_of([result("mail", "gold", **run), result("mail", "silver", **run)], {"mail": "Mail"})

    [flow] = lineage.outputs
    assert (flow.namespace, flow.name) == ("aep://flows", "mail")
    written = flow.outputFacets["outputStatistics"]
    assert (written.rowCount, written.size, written.fileCount) == (10, 900, 2)
    assert flow.facets["documentation"].description == "Mail"


def test_openlineage_is_told_no_number_that_aep_does_not_give() -> None:
    pytest.importorskip("airflow.providers.openlineage.extractors")

    [flow] = openlineage_of([result("mail", "gold", records=None)], {}).outputs
    written = flow.outputFacets["outputStatistics"]
    assert (written.rowCount, written.size, written.fileCount) == (None, None, None)


def test_openlineages_provider_finds_it_by_itself() -> None:
    extractors = pytest.importorskip("airflow.providers.openlineage.extractors.manager")
    task = DeliveryReportOperator(
        task_id="report", plan_task_id="plan", submit_task_id="send", watch_task_id="watch", task_ids=[]
    )
    task._reported = [result("mail", "gold")], {"mail": "Mail"}

    extractor = extractors.ExtractorManager().get_extractor_class(task)(task)

    [flow] = extractor.extract_on_complete(None).outputs
    assert (flow.namespace, flow.name) == ("aep://flows", "mail")
