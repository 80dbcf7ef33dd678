"""The numbers shown of a delivery are the ones in AEP's body: read here by hand, beside the package's own reading."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from adobe_experience_platform.aep import Activation, FlowRun
from adobe_experience_platform.delivery import judge, results_of, size_text
from adobe_experience_platform.notifications.message import Delivered, of_delivery
from adobe_experience_platform.operators.lineage import delivered_flows
from adobe_experience_platform.operators.report import HEAD, row_of

HERE = Path(__file__).parent
LOSSY = json.loads((HERE / "samples.json").read_text(encoding="utf-8"))["lossy_run"]["items"][0]
OPENAPI = yaml.load((HERE.parent / "contract/openapi/flow-service-runs.yaml").read_text(), yaml.CSafeLoader)
ABSENT = object()
FORMS = [
    *((form, 7) for form in (7, "7", " 7 ", 7.0)),
    *((form, 0) for form in (0, "0")),
    (7808223, 7808223),
    *((form, None) for form in (ABSENT, None, -1, "-1", "", "seven", "7,5", 7.5, True, [7], {"count": 7}, 1e300)),
]
"""(A form in which a figure may come, what it says: None for nothing)."""


def examples() -> dict[str, Any]:
    """Return the runs in Adobe's own description of the API, by their names there."""
    found: dict[str, Any] = {}

    def look(node: Any) -> None:
        for name, value in node.items() if isinstance(node, dict) else ():
            items = value.get("value", {}).get("items") if isinstance(value, dict) and "value" in value else None
            if isinstance(items, list) and items and "metrics" in items[0]:
                found[name] = items[0]
            look(value)

    look(OPENAPI)
    return found


def shown(run: dict[str, Any]) -> tuple[dict[str, str], str, dict[str, Any]]:
    """Return the table's row, the notice's text and the event of a run with one audience."""
    read = FlowRun.from_json(run)
    audience = next(iter(read.audiences), "gold")
    [result] = results_of([Activation(read.flow_id, audience, read.id)], {read.id: read}, {})
    row = dict(zip(HEAD, row_of(result, {}), strict=True))
    notice = of_delivery(Delivered("Newsletter", "dag", "run", results=[result], verdict=judge([result])))
    return row, notice.text, delivered_flows([result]).get(read.flow_id, {})


@pytest.mark.parametrize("run", [LOSSY, examples()["Batch_Flow_Run_Success"]], ids=["ours", "Adobe's"])
def test_the_numbers_of_a_run_are_those_of_its_body(run: dict[str, Any]) -> None:
    metrics = run["metrics"]
    records, files, size = metrics["recordSummary"], metrics["fileSummary"], metrics["sizeSummary"]
    seconds = round((metrics["durationSummary"]["completedAtUTC"] - metrics["durationSummary"]["startedAtUTC"]) / 1000)

    row, notice, event = shown(run)

    assert row["Records"] == f"{records['outputRecordCount']:,}"
    assert row["Skipped"] == f"{records['skippedRecordCount']:,}"
    assert row["Failed"] == (f"{records['failedRecordCount']:,}" if "failedRecordCount" in records else "-")
    assert row["Files"] == str(files["outputFileCount"])
    assert row["Size"] == size_text(size["outputBytes"])
    assert row["Duration"] == f"{seconds // 60}:{seconds % 60:02}"
    told = (event["records_exported"], event["files"], event["bytes"])
    assert told == (records["outputRecordCount"], files["outputFileCount"], size["outputBytes"])
    for reason in (*records.get("failedInfo", ()), *records.get("skippedInfo", ())):
        assert f"[{reason['code']}] {reason['message']} ({reason['count']:,} records)" in notice
    assert f"{files['outputFileCount']} file" in notice


def test_a_failed_run_of_adobes_has_dashes_and_its_reason_once() -> None:
    run = next(run for run in examples().values() if run["metrics"]["statusSummary"].get("status") == "failed")
    row, notice, event = shown(run)
    assert [row[name] for name in ("Records", "Failed", "Files", "Size")] == ["-", "-", "-", "-"]
    assert row["Skipped"] == "0", "it says so"
    assert row["What AEP says"] == "[ACTIVATION_BATCH-0000-FAILED] Job aborted."
    assert notice.count("Job aborted.") == 1
    assert event == {}


FIGURES = {
    "Records": ("recordSummary", "outputRecordCount"),
    "Skipped": ("recordSummary", "skippedRecordCount"),
    "Failed": ("recordSummary", "failedRecordCount"),
    "Files": ("fileSummary", "outputFileCount"),
    "Size": ("sizeSummary", "outputBytes"),
}


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(FIGURES, st.sampled_from(FORMS))), st.sampled_from([None, [], "x", 5]))
def test_a_figure_that_is_damaged_or_absent_is_a_dash_and_never_0(drawn: dict[str, Any], odd: object) -> None:
    metrics: dict[str, Any] = {
        "statusSummary": {"status": "success", "errors": odd},
        "recordSummary": {"sourceSummaries": odd, "skippedInfo": odd, "failedInfo": odd},
        "fileSummary": {"manifest": odd},
        "durationSummary": odd,
    }
    for name, (branch, key) in FIGURES.items():
        if drawn[name][0] is not ABSENT:
            metrics.setdefault(branch, {})[key] = drawn[name][0]

    row, notice, event = shown({"id": "run", "flowId": "flow", "metrics": metrics, "activities": odd})

    meant = {name: value for name, (_, value) in drawn.items()}
    written = {name: "-" if value is None else f"{value:,}" for name, value in meant.items()}
    size = meant["Size"]
    written["Size"] = "-" if size is None else size_text(size)
    assert {name: row[name] for name in FIGURES} == written
    assert row["Duration"] == "-"
    assert (event["records_exported"], event["files"], event["bytes"]) == (meant["Records"], meant["Files"], size)
    if meant["Records"] is None:
        assert "an unknown number of records" in notice
        assert "0 records" not in notice
    if meant["Files"] is None:
        assert not re.search(r"\d files?\b", notice)
