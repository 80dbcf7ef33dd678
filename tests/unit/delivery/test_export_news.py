"""What a watcher of segment exports tells: each export that finished, once, and nothing while one is in progress."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import pytest

from adobe_experience_platform.aep.export_jobs import ExportJob
from adobe_experience_platform.delivery.export_news import ExportMark, event_payload, look
from adobe_experience_platform.delivery.rounds import Snapshot
from tests.support.parts import NOW, job_json, millis

PLACE = "ORG@AdobeOrg/prod"


def job(job_id: int, status: str = "SUCCEEDED", *, hours: float = 3.0, ended: float | None = None) -> ExportJob:
    """Return a job that was created so many hours ago, and ended so many hours ago."""
    data = job_json(job_id, status, dt.timedelta(hours=hours))
    if ended is not None:
        data["metrics"] = {
            "totalTime": {"endTimeInMs": millis(NOW - dt.timedelta(hours=ended))},
            "totalExportedProfileCounter": 1000 + job_id,
        }
    return ExportJob.from_json(data)


def snap(*jobs: ExportJob, place: str = PLACE) -> Snapshot:
    return Snapshot(jobs=sorted(jobs, key=lambda item: str(item.created_at), reverse=True), place=place)


def marked(*jobs: ExportJob) -> ExportMark:
    """Return the mark after a first look at these jobs, as it comes back from the store."""
    first = look(snap(*jobs), None, NOW)
    assert not first.news
    assert first.mark is not None
    stored = ExportMark.from_json(json.loads(json.dumps(first.mark.to_json())))
    assert stored == first.mark
    return stored


def news(snapshot: Snapshot, mark: ExportMark) -> list[str]:
    return [item.id for item in look(snapshot, mark, NOW).news]


OLD = job(700, hours=27, ended=26)


def test_a_first_start_only_records() -> None:
    first = look(snap(OLD, job(722, ended=2)), None, NOW)

    assert (first.news, first.mark and first.mark.ids) == ((), {"700", "722"})


def test_what_somebody_exports_of_single_audiences_is_no_news_and_is_waited_for() -> None:
    mark = marked(OLD)
    chosen = dataclasses.replace(job(723, ended=1), is_filtered=True)
    running = dataclasses.replace(job(724, "PROCESSING", hours=0.1), is_filtered=True)

    assert news(snap(OLD, chosen), mark) == []
    assert news(snap(OLD, chosen, job(722, ended=2)), mark) == ["722"]
    assert event_payload(look(snap(OLD, chosen, job(722, ended=2)), mark, NOW).news)["exports"] == 1
    assert look(snap(OLD, job(722, ended=2), running), mark, NOW).waiting == (running,)


def test_an_export_that_finished_is_news_once() -> None:
    mark = marked(OLD)
    found = look(snap(OLD, job(722, ended=2)), mark, NOW)

    assert [item.id for item in found.news] == ["722"]
    assert found.mark is not None
    assert news(snap(OLD, job(722, ended=2)), found.mark) == []


def test_nothing_is_told_while_an_export_is_in_progress() -> None:
    mark = marked(OLD)
    finished = job(722, ended=2)

    busy = look(snap(OLD, finished, job(723, "PROCESSING", hours=1)), mark, NOW)

    assert ([item.id for item in busy.news], busy.mark) == ([], None)
    assert [item.id for item in busy.waiting] == ["723"]
    assert news(snap(OLD, finished, job(723, "FAILED", hours=1)), mark) == ["722"]


def test_exports_of_several_merge_policies_that_overlap_are_one_piece_of_news() -> None:
    mark = marked(OLD)
    first, second = job(722, hours=3, ended=1.5), job(723, hours=2.5, ended=1)

    assert news(snap(OLD, first, job(723, "PROCESSING", hours=2.5)), mark) == []
    assert news(snap(OLD, first, second), mark) == ["723", "722"]


def test_the_newest_is_the_one_that_ended_last_whenever_it_began() -> None:
    long, short = job(722, hours=5, ended=1), job(723, hours=3, ended=2)

    assert news(snap(OLD, long, short), marked(OLD)) == ["722", "723"]


def test_an_export_that_began_first_and_ended_last_is_news_too() -> None:
    """The mark knows what ended, not what began."""
    short, long = job(723, hours=3, ended=2), job(722, "PROCESSING", hours=5)
    mark = marked(OLD, short, long)

    assert news(snap(OLD, short, job(722, hours=5, ended=1)), mark) == ["722"]


def test_a_stuck_export_does_not_silence_the_watcher() -> None:
    stuck = job(600, "PROCESSING", hours=30)

    found = look(snap(OLD, stuck, job(722, ended=2)), marked(OLD, stuck), NOW)

    assert ([item.id for item in found.news], [item.id for item in found.stuck]) == (["722"], ["600"])


def test_exports_without_times_are_known_by_their_ids() -> None:
    untold = ExportJob.from_json({"id": 9, "status": "SUCCEEDED", "schema": {"name": "_xdm.context.profile"}})
    mark = marked(OLD)
    found = look(snap(OLD, untold), mark, NOW)

    assert [item.id for item in found.news] == ["9"]
    assert found.mark is not None
    assert news(snap(OLD, untold), found.mark) == []
    assert event_payload(found.news)["ended_at"] is None


def test_failed_exports_are_no_news() -> None:
    assert news(snap(OLD, job(722, "FAILED", ended=2)), marked(OLD)) == []


def test_the_mark_never_goes_back() -> None:
    """AEP may list less than before; what is listed again must not be news."""
    recent = job(722, ended=2)
    mark = marked(OLD, recent)
    found = look(snap(OLD, job(721, hours=4, ended=2)), mark, NOW)  # 722 is missing, another one ended as late

    assert [item.id for item in found.news] == ["721"]
    assert found.mark is not None
    assert found.mark.ended_at == mark.ended_at
    assert news(snap(OLD), found.mark) == []


def test_another_sandbox_behind_the_connection_begins_anew() -> None:
    found = look(snap(OLD, job(722, ended=2), place="ORG@AdobeOrg/stage"), marked(OLD), NOW)

    assert not found.news
    assert found.mark is not None
    assert found.mark.place == "ORG@AdobeOrg/stage"


@pytest.mark.parametrize(
    "stored",
    [
        *(None, "", [], {}, {"v": 9}),
        {"v": 1, "ended_at": 5, "export_ids": []},
        {"v": 1, "ended_at": "x", "export_ids": []},
        {"v": 1, "ended_at": "2026-03-10T09:00:00", "export_ids": []},
        {"v": 1, "ended_at": None, "export_ids": "a"},
    ],
)
def test_a_mark_that_cannot_be_read_counts_as_none(stored: object) -> None:
    assert ExportMark.from_json(stored) is None


def test_what_is_told_is_small_and_whole() -> None:
    found = look(snap(OLD, job(722, ended=2), job(723, hours=4, ended=3)), marked(OLD), NOW)

    assert event_payload(found.news) == {
        "export_id": "722",
        "ended_at": (NOW - dt.timedelta(hours=2)).isoformat(),
        "created_at": (NOW - dt.timedelta(hours=3)).isoformat(),
        "profiles": 1722,
        "exports": 2,
    }
