"""What can be known before anything is sent, all at once."""

from __future__ import annotations

import datetime as dt

import pytest

from adobe_experience_platform.aep import DestinationFlow, endpoints
from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.delivery import preflight
from adobe_experience_platform.errors import AepAuthError, AepNotFoundError, AepRequestError, AepTransientError
from tests.support.parts import NOW, answer, flow_json, millis, selector


def inspect(flows, pairs, now=NOW):
    """Run the preflight against flows by id; an exception stands for a call that fails."""

    def run(call):
        flow_id = next(call).path.rsplit("/", 1)[-1]
        call.close()
        if flow_id == "flows":
            bodies = [found for found in flows.values() if not isinstance(found, Exception)]
            if call.gi_code is endpoints.flows_named.__code__:
                return []
            if call.gi_code is endpoints.flows_by_id.__code__:
                return {found.id: found for found in map(DestinationFlow.from_json, bodies)}
            # An empty list is read twice.
            return answer(endpoints.catalog_flows(), *[{"items": bodies}] * (1 if bodies else 2))[0]
        found = flows.get(flow_id, AepNotFoundError("GET /flows/{id}", status=404, text="flows not found"))
        if isinstance(found, Exception):
            raise found
        asked.append(flow_id)
        flow, _ = answer(endpoints.flow(flow_id), {"items": [found]})
        return flow

    asked: list[str] = []
    findings = preflight.inspect([Pair(*pair) for pair in pairs], run, now)
    assert len(asked) == len(set(asked)), "each flow is read once"
    return findings


def seconds_ago(seconds):
    return str(millis(NOW - dt.timedelta(seconds=seconds)) // 1000)


def test_a_sound_plan_has_no_findings_but_names():
    flows = {"flow-1": flow_json("flow-1", selector("a"), selector("b"))}
    findings = inspect(flows, [("flow-1", "a"), ("flow-1", "b")])
    assert (findings.faults, findings.warnings, findings.aliases) == ([], [], {})
    names = findings.names([Pair("flow-1", "a"), Pair("flow-1", "b"), Pair("gone", "a")])
    assert names == {"flow-1": "Flow flow-1", "a": "Audience a", "b": "Audience b"}


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        (flow_json("f", selector("a"), state="disabled"), "is disabled, not enabled"),
        (flow_json("f", selector("a"), state="draining"), "is draining, not enabled"),
        (
            flow_json("f", selector("a"), inheritedAttributes={"properties": {"isDestinationFlow": False}}),
            "is not a destination flow",
        ),
        (flow_json("f", selector("b")), "audience a is not mapped to this flow"),
        (flow_json("f"), "audience a is not mapped to this flow"),
        (
            flow_json("f", selector("a", systemSegmentId="system-9")),
            "is the external id of the imported audience 'Audience a': use its system-generated id system-9",
        ),
        (
            flow_json("f", selector("a", schedule={"startDate": "2026-03-11"})),
            "is scheduled from 2026-03-11 on",
        ),
        (
            flow_json("f", selector("a", schedule={"startDate": "2026-01-01", "endDate": "2026-03-09"})),
            "has a schedule that ended on 2026-03-09",
        ),
        (
            flow_json("f", selector("a", createTime=seconds_ago(3599))),
            "less than an hour ago: try again after 2026-03-10 12:00 UTC",
        ),
        (
            flow_json("f", selector("a", createTime=seconds_ago(0))),
            "less than an hour ago: try again after 2026-03-10 13:00 UTC",
        ),
    ],
)
def test_reasons_not_to_send(flow, said):
    (fault,) = inspect({"f": flow}, [("f", "a")]).faults
    assert said in str(fault)


@pytest.mark.parametrize(
    "flow",
    [
        flow_json("f", selector("a", schedule={"frequency": "ONCE", "startDate": "2026-01-01"})),
        flow_json("f", selector("a", schedule={"startDate": "2026-03-10", "endDate": "2026-03-11"})),
        flow_json("f", selector("a", createTime=seconds_ago(3600))),
        flow_json("f", selector("a", createTime=str(millis(NOW - dt.timedelta(days=1))))),
        flow_json("f", selector("a"), state="ENABLED"),
        flow_json("f", selector("external", systemSegmentId="a")),
    ],
    ids=["once", "first day", "an hour ago", "milliseconds", "casing", "imported"],
)
def test_nothing_against_sending(flow):
    findings = inspect({"f": flow}, [("f", "a")])
    assert (findings.faults, findings.warnings) == ([], [])


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        (flow_json("f", selector("a"), state=None), "does not say whether it is enabled"),
        (flow_json("f", selector("a"), inheritedAttributes=None), "does not say whether it goes to a destination"),
        (flow_json("f", transformations=None), "does not list the audiences mapped"),
        (flow_json("f", selector("a", createTime=None)), "does not say when it was mapped"),
        (flow_json("f", selector("a", schedule=None)), "has no schedule"),
        (
            flow_json("f", selector("a", filenameTemplate=None, exportMode=None)),
            "does not look like a file export",
        ),
    ],
)
def test_what_a_flow_does_not_tell_is_a_warning_never_a_refusal(flow, said):
    findings = inspect({"f": flow}, [("f", "a")])
    assert findings.faults == []
    (warning,) = findings.warnings
    assert said in warning


def test_a_file_that_overwrites_the_last_one_is_a_warning():
    undated = [selector(f"a{number}", filenameTemplate="%SEGMENT_ID%") for number in range(12)]
    flow = flow_json("f", *undated, selector("same", filenameTemplate="weekly"), selector("dated"))

    findings = inspect({"f": flow}, [("f", "a3"), ("f", "same"), ("f", "dated")])
    assert findings.faults == []
    (warning,) = findings.warnings
    assert warning.startswith("flow 'Flow f' (f): the name of a file has no date or time")
    assert "overwrites the last file: 'a3', 'weekly'. To keep both, " in warning

    (warning,) = inspect({"f": flow}, [("f", f"a{number}") for number in range(12)]).warnings
    assert "'a9' and 2 more. To" in warning


@pytest.mark.parametrize(
    ("template", "are_one"),
    [
        ("%DESTINATION_NAME%_%DATETIME(YYYYMMdd)%", True),
        ("%DESTINATION_INSTANCE_ID%_%TIMESTAMP%", True),
        ("%SEGMENT_ID%_%TIMESTAMP%", False),
        ("%SEGMENT_NAME%_%TIMESTAMP%", False),
        ("%segment_mystery%_%TIMESTAMP%", False),
        (None, False),
    ],
)
def test_files_of_one_name_are_a_warning(template, are_one):
    imported = [
        selector(f"ext{number}", systemSegmentId=f"sys{number}", filenameTemplate=template) for number in (1, 2)
    ]
    own = [selector(name, filenameTemplate=template) for name in ("a", "b")]
    flow = flow_json("f", *own, *imported)
    for pair in (("a", "b"), ("sys1", "sys2")):
        said = inspect({"f": flow}, [("f", name) for name in pair]).warnings
        assert any("one file may overwrite the other" in warning for warning in said) is are_one
    assert inspect({"f": flow}, [("f", "a")]).warnings == []


def test_the_day_is_utcs_whatever_zone_the_clock_has():
    kiritimati = dt.timezone(dt.timedelta(hours=14))
    flow = flow_json("f", selector("a", schedule={"startDate": "2026-01-01", "endDate": "2026-03-10"}))
    assert inspect({"f": flow}, [("f", "a")], NOW.astimezone(kiritimati)).faults == []


@pytest.mark.parametrize(
    "error",
    [
        AepNotFoundError("GET /flows/{id}", status=404, text="flows not found with id = [f]"),
        AepRequestError("GET /flows/{id}", status=400, text="flows not found with id = [f]"),
    ],
)
def test_an_unknown_flow_is_a_fault_in_aeps_words(error):
    (fault,) = inspect({"f": error}, [("f", "a"), ("f", "b")]).faults
    assert "flow f does not exist in this sandbox (AEP: flows not found with id = [f])" in str(fault)


@pytest.mark.parametrize(
    "error",
    [
        AepAuthError("GET /flows/{id}", status=403),
        AepTransientError("GET /flows/{id}", status=503),
        AepRequestError("GET /flows/{id}", status=302),
    ],
)
def test_when_aep_cannot_be_asked_nothing_is_concluded(error):
    with pytest.raises(type(error)):
        inspect({"f": error}, [("f", "a")])


def test_all_faults_of_all_flows_are_found_at_once():
    flows = {
        "f1": flow_json("f1", selector("a", createTime=seconds_ago(60)), state="disabled"),
        "f2": flow_json("f2", selector("b", schedule={"startDate": "2027-01-01"})),
    }
    pairs = [("f1", "a"), ("gone", "a"), ("f1", "zz"), ("f2", "b"), ("gone2", "a")]
    texts = [str(fault) for fault in inspect(flows, pairs).faults]
    for said in (
        "is disabled",
        "less than an hour",
        "audience zz is not mapped",
        "from 2027",
        "flow gone ",
        "flow gone2 ",
    ):
        assert sum(said in text for text in texts) == 1, said
    assert len(texts) == 6


def test_the_other_id_of_an_imported_audience_is_remembered():
    flows = {"f": flow_json("f", selector("ext-1", systemSegmentId="sys-1"), selector("plain"))}
    assert inspect(flows, [("f", "sys-1"), ("f", "plain")]).aliases == {"sys-1": "ext-1"}
