"""The ad-hoc activation call."""

from __future__ import annotations

import pytest


def refusal(answer, status=400):
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"message"}
    return answer.json()["message"]


def pairs(answer):
    assert answer.status_code == 200, answer.text
    return [(entry["order"], entry["segment"]) for entry in answer.json()["order"]]


def run_ids(answer):
    return [entry["statusURL"].rpartition("/")[2] for entry in answer.json()["order"]]


def many(flows, audiences):
    names = [f"a{n}" for n in range(audiences)]
    return {"flows": [{"id": f"f{n}", "name": f"Flow {n}", "audiences": names} for n in range(flows)]}


def test_each_pair_gets_an_entry_and_a_run(small):
    answer = small.adhoc({"mail": ["gold", "silver"], "shop": ["gold"]})
    assert pairs(answer) == [("mail", "gold"), ("mail", "silver"), ("shop", "gold")]
    assert len(set(run_ids(answer))) == 3
    for entry in answer.json()["order"]:
        assert small.get(entry["statusURL"].removeprefix(small.url)).json()["items"][0]["flowId"] == entry["order"]


def test_pairs_may_share_a_run_per_flow(small):
    small.settings(shared_runs=True)
    ids = run_ids(small.adhoc({"mail": ["gold", "silver"], "shop": ["gold"]}))
    assert ids[0] == ids[1] != ids[2]
    small.advance(6)
    summaries = small.run(ids[0])["metrics"]["recordSummary"]["sourceSummaries"][0]
    assert summaries["inputRecordCount"] == 3000
    assert [e["id"] for e in summaries["entitySummaries"]] == ["segment:gold", "segment:silver"]


def test_the_status_url_may_name_adobes_host(small):
    small.settings(status_url_base="https://platform.adobe.io")
    url = small.adhoc({"mail": ["gold"]}).json()["order"][0]["statusURL"]
    assert url.startswith("https://platform.adobe.io/data/foundation/flowservice/runs/")


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_without_the_media_type_it_is_version_1(small, accept):
    assert "exportIds" in refusal(small.adhoc({"mail": ["gold"]}, accept=accept))
    assert pairs(small.adhoc({"mail": ["gold"]}, accept=accept, exportIds=["722"])) == [("mail", "gold")]


@pytest.mark.parametrize("export_ids", [[], [722], "722", ["999"], ["account"], ["broken"]])
def test_version_1_needs_the_id_of_a_finished_profile_export_as_text(small, export_ids):
    small.control("POST", "export-jobs", {"id": "account", "schema": "_xdm.context.account", "status": "SUCCEEDED"})
    small.control("POST", "export-jobs", {"id": "broken", "status": "FAILED"})
    refusal(small.adhoc({"mail": ["gold"]}, accept=None, exportIds=export_ids))
    assert small.deliveries() == {}


@pytest.mark.parametrize("version", ["3", "4"])
def test_versions_nobody_documented_are_refused(small, version):
    accept = f"application/vnd.adobe.adhoc.activation+json; version={version}"
    refusal(small.adhoc({"mail": ["gold"]}, accept=accept))


@pytest.mark.parametrize(
    "info", [None, {}, [], {"mail": []}, {"mail": "gold"}, {"mail": [1]}, {"mail": ["gold", "gold"]}]
)
def test_a_malformed_body_is_refused(small, info):
    refusal(small.adhoc(info))


@pytest.mark.parametrize(
    "info",
    [{"nope": ["gold"]}, {"dev-flow": ["elsewhere"]}, {"mail": ["nope"]}, {"mail": ["gold"], "nope": ["x"]}],
)
def test_an_unknown_flow_or_audience_is_a_404(small, info):
    refusal(small.adhoc(info), 404)
    assert small.deliveries() == {}


def test_an_imported_audience_goes_by_its_system_id_only(small):
    refusal(small.adhoc({"mail": ["partner-77"]}), 404)
    assert pairs(small.adhoc({"mail": ["partner"]})) == [("mail", "partner")]


def test_the_answer_may_name_the_external_id(small):
    small.settings(order_segment="external", entity_id="external")
    answer = small.adhoc({"mail": ["partner"]})
    assert pairs(answer) == [("mail", "partner-77")]
    small.advance(2)
    assert "segment:partner-77" in str(small.run(run_ids(answer)[0]))


def test_the_unmapped_are_listed_by_name(small):
    text = refusal(small.adhoc({"mail": ["gold", "loose"], "shop": ["silver"]}))
    assert text == ("Segments Not mapped, Silver customers are not part of this dataflow or out of schedule range!")
    assert small.deliveries() == {}


@pytest.mark.parametrize(("start", "end", "status"), [(-9, -1, 400), (1, 9, 400), (0, 0, 200), (-5, None, 200)])
def test_today_must_lie_in_the_schedule(small, start, end, status):
    audience = {"id": "gold", "start": start, "end": end}
    small.reset({"flows": [{"id": "mail", "name": "Mail", "audiences": [audience]}]})
    answer = small.adhoc({"mail": ["gold"]})
    assert answer.status_code == status
    assert status == 200 or "out of schedule range!" in refusal(answer)


def test_a_fresh_mapping_must_wait_an_hour_whatever_the_speed(small):
    small.reset({"flows": [{"id": "mail", "name": "M", "audiences": [{"id": "gold", "mapped_ago": "59m"}]}]})
    refusal(small.adhoc({"mail": ["gold"]}))
    small.advance(60)
    assert small.adhoc({"mail": ["gold"]}).status_code == 200


def test_more_than_80_pairs_are_refused(small):
    small.reset(many(2, 50))
    audiences = [f"a{n}" for n in range(50)]
    assert "80" in refusal(small.adhoc({"f0": audiences[:40], "f1": audiences[:41]}))
    assert len(pairs(small.adhoc({"f0": audiences[:40], "f1": audiences[:40]}))) == 80


@pytest.mark.parametrize("word", ["audience", "segment"])
def test_a_run_in_progress_is_named(small, word):
    small.settings(audience_word=word)
    run_id = small.run_of({"mail": ["gold"]})
    text = f"Run already going on for {word} gold for order mail with run id {run_id}"
    assert refusal(small.adhoc({"mail": ["silver", "gold"]})) == f"{text}."
    small.settings(forms="older")
    assert refusal(small.adhoc({"mail": ["silver", "gold"]})) == text
    assert ("mail", "silver") not in small.deliveries()


def test_the_next_run_may_start_after_the_last_one(small):
    small.run_of({"mail": ["gold"]})
    small.advance(6)
    small.run_of({"mail": ["gold"]})
    assert small.deliveries()["mail", "gold"]["count"] == 2


def test_a_run_blocks_its_audience_on_every_flow(small):
    run_id = small.run_of({"mail": ["gold"]})
    assert f"order mail with run id {run_id}" in refusal(small.adhoc({"shop": ["gold"]}))
    small.settings(conflict_scope="pair")
    assert pairs(small.adhoc({"shop": ["gold"]})) == [("shop", "gold")]


def test_a_scheduled_run_blocks_too(small):
    run = small.control("POST", "runs", {"flow_id": "mail", "kind": "scheduled", "status": "inProgress"})
    assert run["id"] in refusal(small.adhoc({"mail": ["silver"]}))
    small.control("PATCH", f"runs/{run['id']}", {"status": "success"})
    assert small.adhoc({"mail": ["silver"]}).status_code == 200


@pytest.mark.parametrize(
    ("job", "status"),
    [
        ({}, 400),
        ({"status": "NEW"}, 400),
        ({"status": "SUCCEEDED"}, 200),
        ({"schema": "_xdm.context.account"}, 200),
        ({"segments": ["gold"]}, 200),
        ({"sandbox": "dev"}, 200),
    ],
)
def test_a_scheduled_profile_export_in_progress_refuses_all(small, job, status):
    small.control("POST", "export-jobs", {"duration": 60, **job})
    assert small.adhoc({"mail": ["gold"]}).status_code == status


@pytest.mark.parametrize("kind", ["Winback mailing S3", "Store events stream"])
def test_a_flow_that_is_disabled_or_not_file_based_is_refused(aep, kind):
    flow = aep.get(aep.flows, {"property": f"name=={kind}"}).json()["items"][0]
    audience = flow["transformations"][0]["params"]["segmentSelectors"]["selectors"][0]["value"]["id"]
    assert flow["id"] in refusal(aep.adhoc({flow["id"]: [audience]}))


def test_a_hundred_pairs_of_the_shop_can_be_activated_in_two_jobs(aep):
    flows = [
        aep.get(aep.flows, {"property": f"name=={name}"}).json()["items"][0]
        for name in ("Regional leaflets S3", "Regional call centre SFTP")
    ]
    selectors = flows[0]["transformations"][0]["params"]["segmentSelectors"]["selectors"]
    audiences = [selector["value"]["id"] for selector in selectors]
    for chosen in (audiences[:25], audiences[25:50]):
        assert len(pairs(aep.adhoc({flow["id"]: chosen for flow in flows}))) == 50


@pytest.mark.parametrize("run", [True, False])
def test_a_pair_may_be_left_out_of_the_answer(small, run):
    small.settings(omit_from_order=[{"audience_id": "silver", "run": run, "times": 1}])
    assert pairs(small.adhoc({"mail": ["gold", "silver"]})) == [("mail", "gold")]
    assert (("mail", "silver") in small.deliveries()) is run
    small.advance(6)
    assert len(pairs(small.adhoc({"mail": ["gold", "silver"]}))) == 2


def test_good_pairs_may_be_activated_in_spite_of_a_400(small):
    small.settings(partial_400=True)
    assert "Not mapped" in refusal(small.adhoc({"mail": ["gold", "loose"]}))
    assert list(small.deliveries()) == [("mail", "gold")]
    assert small.requests(small.adhoc_path)[-1]["effect"] is True
