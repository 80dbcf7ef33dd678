"""What a delivery tells OpenLineage and other DAGs."""

from __future__ import annotations

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


def test_counts_come_per_flow() -> None:
    told = delivered_flows(
        [
            result("mail", "gold"),
            result("mail", "silver", status=RunStatus.PARTIAL_SUCCESS, records_failed=2),
            result("mail", "bronze", "run-2", None, adopted=True),
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
            "records_failed": 2,
            "runs": 2,
            "run_ids": ["run-1", "run-2"],
        }
    }


def test_an_event_stays_small() -> None:
    told = delivered_flows(result("mail", f"a-{number}", f"run-{number % 4000}") for number in range(5000))

    assert (told["mail"]["runs"], len(told["mail"]["run_ids"])) == (4000, RUN_IDS_SHOWN)


def test_openlineage_sees_each_flow_as_a_data_set_that_was_written() -> None:
    pytest.importorskip("airflow.providers.openlineage.extractors")

    lineage = openlineage_of([result("mail", "gold"), result("mail", "silver")], {"mail": "Mail"})

    [flow] = lineage.outputs
    assert (flow.namespace, flow.name) == ("aep://flows", "mail")
    assert flow.outputFacets["outputStatistics"].rowCount == 10
    assert flow.facets["documentation"].description == "Mail"


def test_openlineages_provider_finds_it_by_itself() -> None:
    extractors = pytest.importorskip("airflow.providers.openlineage.extractors.manager")
    task = DeliveryReportOperator(
        task_id="report", plan_task_id="plan", submit_task_id="send", watch_task_id="watch", task_ids=[]
    )
    task._reported = [result("mail", "gold")], {"mail": "Mail"}

    extractor = extractors.ExtractorManager().get_extractor_class(task)(task)

    [flow] = extractor.extract_on_complete(None).outputs
    assert (flow.namespace, flow.name) == ("aep://flows", "mail")
