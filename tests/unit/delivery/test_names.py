"""From ids and names to the flows and audiences that they stand for."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import pytest

from adobe_experience_platform.aep import Pair
from adobe_experience_platform.aep.calls import Response
from adobe_experience_platform.aep.endpoints import FLOWS
from adobe_experience_platform.delivery import Findings, ids_of, resolve, unambiguous
from adobe_experience_platform.delivery.names import MOST_IDS, SEARCHES
from adobe_experience_platform.errors import AepNotFoundError, AepRequestError, AepTransientError
from tests.support.parts import flow_json, selector

MAIL, SHOP = "69245ed8-a016-5548-8762-dca344a9e201", "6495ebba-62c8-5b27-9ad6-44dc8e854363"
GOLD, SILVER = "439a96de-1866-5d4d-873b-c43eec1b5478", "3d411b0c-e3f7-5faf-97c2-8004109fd5b7"
NEWSLETTER = flow_json(MAIL, selector(GOLD, name="Gold customers"), selector(SILVER, name="Käufer"), name="Newsletter")
SALE = flow_json(SHOP, selector(GOLD, name="Gold customers"), name="Flash sale SFTP")


class Aep:
    """An AEP that knows these flows, and counts what it is asked."""

    def __init__(self, *flows: Mapping[str, object]) -> None:
        self.flows = {str(flow["id"]): flow for flow in flows}
        self.asked: list[str] = []

    def __call__(self, call: Any) -> Any:
        request = next(call)
        while True:
            wanted = dict(request.params).get("property", "all")
            whole = "?" if wanted == "all" and request.path == FLOWS else request.path.removeprefix(FLOWS)
            field, listed, words = wanted.partition("==")
            self.asked.append(f"?{field}={words}" if listed and field in ("id", "name") else whole)
            try:
                request = call.send(Response(self._answer(self.asked[-1])))
            except StopIteration as stop:
                return stop.value

    def _answer(self, asked: str) -> dict[str, object]:
        flow_id = asked.strip("/")
        if asked == "?":
            return {"items": [*self.flows.values()]}
        if asked.startswith("?"):
            field, _, words = asked[1:].partition("=")
            return {"items": [flow for flow in self.flows.values() if flow[field] in words.split(",")]}
        if not flow_id:
            shown = [
                flow
                for flow in self.flows.values()
                if flow["inheritedAttributes"]["properties"]["isDestinationFlow"]  # type: ignore[index]
            ]
            return {"items": shown}
        if flow_id not in self.flows:
            raise AepNotFoundError("GET /flows/{id}", status=404, text="flows not found")
        return {"items": [self.flows[flow_id]]}


def found(aep: Aep, *asked: tuple[str, str], known: Any = None) -> Findings:
    return resolve([Pair(*pair) for pair in asked], aep, known)


def fault_of(findings: Findings) -> str:
    assert findings.pairs == []
    [fault] = map(str, findings.faults)
    return fault


# ----------------------------------------------------------------------------------- what is meant


def test_names_and_ids_may_be_mixed():
    findings = found(
        Aep(NEWSLETTER, SALE), ("Newsletter", "Gold customers"), ("Newsletter", SILVER), (SHOP, "Gold customers")
    )

    assert (findings.faults, findings.warnings) == ([], [])
    assert findings.pairs == [(MAIL, GOLD), (MAIL, SILVER), (SHOP, GOLD)]
    assert set(findings.flows) == {MAIL, SHOP}
    assert findings.given[Pair(MAIL, SILVER)] == ("Newsletter", SILVER)


def test_an_imported_audience_is_known_by_its_name_too():
    flow = flow_json(MAIL, selector("crm-7", systemSegmentId=GOLD, name="Partners"), name="Newsletter")
    findings = found(Aep(flow), ("Newsletter", "Partners"))

    assert (findings.pairs, findings.aliases) == ([(MAIL, GOLD)], {GOLD: "crm-7"})


@pytest.mark.parametrize(
    "name", ["Käufer", "A  B", " A", "A ", "a\u00a0b", "👩\u200d💻 Devs", "{a}/../b?c#d", "a,b==c", "X" * 255]
)
def test_a_name_counts_to_the_letter_whatever_it_is_made_of(name):
    flow = flow_json(MAIL, selector(GOLD, name=name), selector(SILVER, name=name + "!"), name=name)
    aep = Aep(flow)

    assert found(aep, (name, name)).pairs == [(MAIL, GOLD)]
    assert aep.asked == [""]


def test_what_one_line_shows_of_a_name_finds_it():
    flow = flow_json(MAIL, selector(GOLD, name="Gold\t customers\n"), name=" ::group::Mail " + "x" * 300)
    [shown] = unambiguous(found(Aep(flow), (MAIL, GOLD)).flows.values()).values()

    assert found(Aep(flow), (shown, "Gold customers")).pairs == [(MAIL, GOLD)]


def test_the_letter_counts_before_what_is_shown():
    flow = flow_json(MAIL, selector(GOLD, name="Gold "), selector(SILVER, name="Gold"), name="Newsletter")

    assert found(Aep(flow), (MAIL, "Gold"), (MAIL, "Gold ")).pairs == [(MAIL, SILVER), (MAIL, GOLD)]


def test_an_id_counts_before_a_name_and_a_warning_says_so():
    named_like_it = flow_json(SHOP, name=MAIL)
    flow = flow_json(MAIL, selector(GOLD, name=SILVER), selector(SILVER, name="Gold"), name="Newsletter")
    findings = found(Aep(flow, named_like_it), (MAIL, SILVER), ("Newsletter", GOLD))

    why = "the id counts"
    assert findings.pairs == [(MAIL, SILVER), (MAIL, GOLD)]
    assert sorted(findings.warnings) == [
        f"flow 'Newsletter' ({MAIL}): audience {SILVER} is an id here; '{SILVER}' is also the name of {GOLD}: {why}",
        f"flow {MAIL} is an id here; '{MAIL}' is also the name of {SHOP}: {why}",
    ]


def test_a_name_that_is_the_id_of_a_source_counts_as_the_id_whatever_stands_beside_it():
    source = flow_json(SHOP, name="CRM", inheritedAttributes={"properties": {"isDestinationFlow": False}})
    named_like_it = flow_json("other", selector(GOLD), name=SHOP)
    found_beside = [
        found(Aep(NEWSLETTER, source, named_like_it), (SHOP, GOLD), *more) for more in ([], [("Newsletter", GOLD)])
    ]

    for findings in found_beside:
        assert [str(fault).partition(": ")[0] for fault in findings.faults] == [
            f"flow 'CRM' ({SHOP}) is not a destination flow"
        ]
        assert findings.warnings == [
            f"flow {SHOP} is an id here; '{SHOP}' is also the name of other: the id counts",
        ]


def test_an_earlier_try_has_the_last_word_about_a_name():
    aep = Aep(
        flow_json(MAIL, selector(GOLD, name="Old"), name="Old"), flow_json(SHOP, selector(GOLD), name="Newsletter")
    )
    known = ids_of([["Newsletter", "Gold customers", MAIL, GOLD]])

    assert found(aep, ("Newsletter", "Gold customers"), known=known).pairs == [(MAIL, GOLD)]
    assert "" not in aep.asked


def test_an_id_alone_that_is_also_a_name_is_warned_of_too():
    findings = found(Aep(NEWSLETTER, flow_json(SHOP, name=MAIL)), (MAIL, GOLD))

    assert (findings.pairs, findings.faults) == ([(MAIL, GOLD)], [])
    assert findings.warnings == [f"flow {MAIL} is an id here; '{MAIL}' is also the name of {SHOP}: the id counts"]


def test_a_look_for_namesakes_that_fails_costs_no_delivery():
    aep = Aep(NEWSLETTER)

    def without_filter(call: Any) -> Any:
        if not aep.asked:
            return aep(call)
        raise AepTransientError(next(call).name, status=503)

    findings = resolve([Pair(MAIL, GOLD)], without_filter)

    assert (findings.pairs, findings.faults) == ([(MAIL, GOLD)], [])
    [warning] = findings.warnings
    assert warning.startswith("whether one of the ids is also the name of a flow is not known (")


# -------------------------------------------------------------------------------- what it costs


def test_ids_alone_cost_one_list_and_one_for_namesakes():
    aep = Aep(NEWSLETTER, SALE)
    found(aep, (MAIL, GOLD), (MAIL, SILVER), (SHOP, GOLD))

    assert aep.asked == [f"?id={MAIL},{SHOP}", f"?name={MAIL},{SHOP}"]


def test_a_flow_that_the_list_of_ids_lacks_or_shows_without_audiences_is_asked_for_itself():
    class Slips(Aep):
        def _answer(self, asked: str) -> dict[str, object]:
            if not asked.startswith("?id="):
                return super()._answer(asked)
            return {"items": [flow_json(MAIL)]}

    aep = Slips(NEWSLETTER, SALE)
    findings = found(aep, (MAIL, GOLD), (SHOP, GOLD))

    assert (findings.pairs, findings.faults) == ([(MAIL, GOLD), (SHOP, GOLD)], [])
    assert aep.asked[1:3] == [f"/{MAIL}", f"/{SHOP}"]


@pytest.mark.parametrize("refusal", [AepRequestError("GET /flows", status=400), AepNotFoundError("GET /flows")])
def test_where_aep_takes_no_list_of_ids_the_list_of_all_flows_answers(refusal):
    class Refuses(Aep):
        def _answer(self, asked: str) -> dict[str, object]:
            if asked.startswith("?id="):
                raise refusal
            return super()._answer(asked)

    aep = Refuses(NEWSLETTER, SALE)
    findings = found(aep, (MAIL, GOLD), (SHOP, GOLD))

    assert (findings.pairs, findings.faults) == ([(MAIL, GOLD), (SHOP, GOLD)], [])
    assert aep.asked == [f"?id={MAIL},{SHOP}", ""]


def test_very_many_ids_cost_the_list():
    flows = [flow_json(f"flow-{number}", selector(GOLD)) for number in range(MOST_IDS + 1)]
    aep = Aep(*flows)

    assert len(found(aep, *((str(flow["id"]), GOLD) for flow in flows)).pairs) == len(flows)
    assert aep.asked == [""]


@pytest.mark.parametrize("name", ["Flash sale SFTP", "Newsletter", "newsletter"])
def test_names_cost_one_list_which_answers_for_the_ids_too(name):
    flow = {**SALE, "name": name}
    aep = Aep(NEWSLETTER, flow)

    assert found(aep, (MAIL, GOLD), (MAIL, SILVER), (name, GOLD), (name, "Gold customers")).pairs[:2] == [
        (MAIL, GOLD),
        (MAIL, SILVER),
    ]
    assert aep.asked.count("") == 1
    assert len(aep.asked) <= 3, "a word that might be an id costs one request more"


def test_a_name_never_becomes_a_part_of_an_address():
    aep = Aep(NEWSLETTER)
    found(aep, ("../runs?x=y", "a"), ("Newsletter S3", "b/../c"), ("%2e%2e", "d"))

    assert {asked[:1] for asked in aep.asked} == {"", "?"}, "the list, and a parameter of it"


# ------------------------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        ("Newslettr", f"flow Newslettr does not exist in this sandbox: did you mean 'Newsletter' ({MAIL})?"),
        ("flash Sale SFTP", f"did you mean 'Flash sale SFTP' ({SHOP})? (names count to the letter: capitals"),
        (" Newsletter", f"flow ' Newsletter' does not exist in this sandbox: did you mean 'Newsletter' ({MAIL})?"),
        ("Ｎewsletter", f"did you mean 'Newsletter' ({MAIL})? (names count"),  # noqa: RUF001 - a wide N
        ("Completely other", "copy it from the aep_catalog DAG"),
        ("Gold customers", f"it is an audience of flow 'Newsletter' ({MAIL}): list it under that flow"),
        ("CRM import", "flow 'CRM import' (crm) is not a destination flow: choose one from the aep_catalog DAG"),
        ("Orders", "flow 'Orders' (orders) brings data in from a source: choose one"),
        ("Profiles", "flow 'Profiles' (profiles) exports datasets, not audiences: choose one"),
        ("nowhere", "flow nowhere does not exist in this sandbox (AEP: flows not found): copy it"),
        (GOLD, f"flow {GOLD} does not exist in this sandbox (AEP: flows not found): it is an audience of"),
    ],
    ids=lambda value: value[:20],
)
def test_a_wrong_flow_is_a_fault_that_names_the_nearest(flow, said):
    others = [
        flow_json("crm", name="CRM import", inheritedAttributes={"properties": {"isDestinationFlow": False}}),
        flow_json(
            "orders",
            name="Orders",
            inheritedAttributes={"properties": {"isDestinationFlow": None}},
            transformations=[{"params": {"mappingId": "m"}}],
        ),
        flow_json("profiles", name="Profiles", transformations=[]),
    ]

    assert said in fault_of(found(Aep(NEWSLETTER, SALE, *others), (flow, "Gold customers")))


def test_a_source_flow_whose_name_has_commas_is_told_as_one_and_all_such_names_cost_one_look():
    source = {"inheritedAttributes": {"properties": {"isDestinationFlow": None, "isSourceFlow": True}}}
    aep = Aep(NEWSLETTER, flow_json("crm", name="CRM, all, of it", **source), flow_json("x", name="a,b", **source))
    findings = found(aep, ("CRM, all, of it", GOLD), ("a,b", GOLD), ("no,such", GOLD))

    assert [str(fault).partition(": ")[0] for fault in findings.faults] == [
        "flow 'CRM, all, of it' (crm) is not a destination flow",
        "flow 'a,b' (x) is not a destination flow",
        "flow 'no,such' does not exist in this sandbox",
    ]
    assert aep.asked == ["", "?"]


def test_a_name_that_a_flow_of_datasets_has_too_is_that_of_the_flow_of_audiences():
    datasets = flow_json(SHOP, name="Newsletter", transformations=[])

    assert found(Aep(datasets, NEWSLETTER), ("Newsletter", GOLD)).pairs == [(MAIL, GOLD)]


@pytest.mark.parametrize(
    ("audience", "said"),
    [
        (
            "Gold customer",
            f"audience 'Gold customer' is not mapped to this flow: did you mean 'Gold customers' ({GOLD})?",
        ),
        ("gold customers", f"did you mean 'Gold customers' ({GOLD})? (names count to the letter"),
        (unicodedata.normalize("NFD", "Käufer"), f"did you mean 'Käufer' ({SILVER})? (names count"),
        (
            "Gold customers\u00a0",
            f"'Gold customers\\xa0' is not mapped to this flow: did you mean 'Gold customers' ({GOLD})?",
        ),
        ("Silver", "is not mapped to this flow: map it under Destinations > Browse > Activate audiences"),
        (SHOP, f"audience {SHOP} is not mapped to this flow: map it"),
    ],
    ids=["typo", "case", "unicode form", "blank", "unknown", "flow's id"],
)
def test_a_wrong_audience_is_a_fault_that_names_the_nearest(audience, said):
    assert said in fault_of(found(Aep(NEWSLETTER, SALE), (MAIL, audience)))


def test_a_name_of_two_flows_is_a_fault_that_lists_them_with_their_states():
    twin = {**SALE, "name": "Newsletter", "state": "disabled"}

    assert fault_of(found(Aep(NEWSLETTER, twin), ("Newsletter", GOLD))) == (
        f"flow Newsletter is the name of 2 flows: write the id of the one that you mean: {MAIL} (enabled), "
        f"{SHOP} (disabled)"
    )


def test_a_name_of_two_audiences_is_a_fault_that_lists_them():
    twins = [selector(GOLD, name="Gold"), selector(SILVER, name="Gold", schedule=None)]

    assert fault_of(found(Aep(flow_json(MAIL, *twins, name="Newsletter")), ("Newsletter", "Gold"))) == (
        f"flow 'Newsletter' ({MAIL}): audience Gold is the name of 2 audiences of this flow: write the id of the one "
        f"that you mean: {GOLD} (daily until 2026-12-31), {SILVER} (no schedule)"
    )


def test_the_same_audience_by_name_and_by_id_is_listed_twice():
    findings = found(Aep(NEWSLETTER), ("Newsletter", "Gold customers"), (MAIL, GOLD), (MAIL, SILVER))

    assert list(map(str, findings.faults)) == [
        f"flow 'Newsletter' ({MAIL}): audience {GOLD} is listed twice, also as 'Gold customers': list it once"
    ]


def test_a_flow_that_lists_no_audiences_takes_ids_only():
    silent = flow_json(MAIL, name="Newsletter", transformations=None)
    findings = found(Aep(silent), ("Newsletter", GOLD), ("Newsletter", "Gold customers"))

    assert findings.pairs == [(MAIL, GOLD)]
    assert "cannot be looked up, as this flow does not list its audiences: use its id" in str(findings.faults[0])


def test_an_id_of_aeps_that_could_not_be_sent_on_finds_nothing():
    odd = flow_json("a,b", selector(GOLD), name="Newsletter")
    other = flow_json(MAIL, selector("x/../y", name="Gold"), name="Mail")
    findings = found(Aep(odd, other), ("Newsletter", GOLD), ("Mail", "Gold"), ("Mail", "x/../y"))

    assert findings.pairs == []
    assert len(findings.faults) == 3


def test_all_wrong_names_are_named_at_once_and_quickly():
    flow = flow_json(MAIL, *(selector(f"a{number}", name=f"Audience number {number}") for number in range(250)))
    findings = found(Aep(flow), *((MAIL, f"Audience nummer {number}") for number in range(1_000)))

    assert len(findings.faults) == 1_000
    assert sum("did you mean" in str(fault) for fault in findings.faults) == SEARCHES


def test_when_the_list_cannot_be_read_nothing_is_concluded():
    def away(call: Any) -> Any:
        raise AepTransientError(next(call).name, status=503)

    with pytest.raises(AepTransientError):
        resolve([Pair("Newsletter S3", GOLD)], away)


def test_names_that_find_more_than_one_or_an_id_are_not_offered():
    mapped = {GOLD: "Gold", SILVER: "Twin", "a1": "Twin", "a2": GOLD, "a3": ""}
    flow = flow_json(MAIL, *(selector(ident, name=name) for ident, name in mapped.items()))

    assert unambiguous(found(Aep(flow), (MAIL, GOLD)).flows[MAIL].audiences) == {GOLD: "Gold"}
