"""Client secret and tokens are shown by nothing: no value's text, no trigger, no XCom, no log, no database."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from adobe_experience_platform.aep import auth, endpoints
from adobe_experience_platform.aep.connection import AepConnection
from adobe_experience_platform.aep.orders import Activation, Pair
from adobe_experience_platform.aep.transport import NeedToken, Received, TransportError, exchange, mint
from adobe_experience_platform.delivery.jobs import Job
from adobe_experience_platform.delivery.record import Record
from adobe_experience_platform.errors import AepConnectionConfigError
from adobe_experience_platform.hooks.async_hook import AdobeExperiencePlatformAsyncHook
from adobe_experience_platform.hooks.sync_hook import AdobeExperiencePlatformHook
from adobe_experience_platform.sensors.flow_run import FlowRunSensor
from adobe_experience_platform.triggers.flow_run import FlowRunTrigger
from adobe_experience_platform.triggers.lost_submission import LostSubmissionTrigger
from adobe_experience_platform.triggers.segment_export import SegmentExportTrigger
from tests.support.aep import LocalAep
from tests.support.hooks import Async, Sync
from tests.support.leaks import leaks, told_by
from tests.support.parts import play, settings

SECRET, TOKEN, GIVEN, PROXY = "p8e-very/secret", "eyJ-very-secret-token", "eyJ-given-token", "proxy-password"
SECRETS = (SECRET, TOKEN, GIVEN, PROXY)


def connection(**changes: Any) -> AepConnection:
    proxies = {"https": f"http://user:{PROXY}@proxy"}
    return settings(**{"client_secret": SECRET, "access_token": GIVEN, "proxies": proxies, **changes})


def effects_of(generator: Any) -> list[Any]:
    """Return what a generator asks for; AEP refuses the first token, and IMS answers with one."""
    seen: list[Any] = []
    answers = iter([Received(401, {}, b""), Received(200, {}, b"{}")])

    def react(effect: Any) -> Any:
        seen.append(effect)
        if isinstance(effect, NeedToken):
            return TOKEN
        if "/ims/" in effect.url:
            return Received(200, {"set-cookie": TOKEN}, json.dumps({"access_token": TOKEN}).encode())
        return next(answers)

    seen.append(play(generator, react))
    return seen


# -- values


def test_no_value_shows_a_secret() -> None:
    call = endpoints.activate([Pair("f", "a")], export_id=None)
    request = next(call)
    values = [
        connection(),
        auth.Token(TOKEN, 0.0),
        Received(200, {"authorization": TOKEN}, TOKEN.encode()),
        NeedToken(TOKEN),
        request,
        *effects_of(exchange(connection(), request)),
        *effects_of(mint(connection(access_token=""))),
    ]
    assert {type(value).__name__ for value in values} >= {"AepConnection", "Send", "NeedToken", "Response", "Token"}
    for value in values:
        for text in (repr(value), str(value), f"{value}", repr([value])):
            assert not leaks(text, SECRETS)
    call.close()


@pytest.mark.parametrize("kind", [Sync, Async], ids=["worker", "triggerer"])
def test_no_hook_shows_a_secret(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"org_id": "ORG@AdobeOrg", "access_token": GIVEN, "proxies": {"http": f"http://u:{PROXY}@127.0.0.1:1"}}
    value = {
        "conn_type": "adobe_experience_platform",
        "host": "http://127.0.0.1:1",
        "login": "client-1",
        "password": SECRET,
        "extra": extra,
    }
    monkeypatch.setenv("AIRFLOW_CONN_AEP_TEST", json.dumps(value))
    monkeypatch.setattr("adobe_experience_platform.aep.transport.ATTEMPTS", 1)
    hook = kind()
    with pytest.raises(Exception, match="GET /flows failed") as caught:
        hook.call(endpoints.destination_flows())
    assert not leaks(told_by(caught.value), SECRETS)
    inner: AdobeExperiencePlatformHook | AdobeExperiencePlatformAsyncHook = hook.hook
    assert not leaks(repr(inner) + repr(vars(inner)), SECRETS)
    hook.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"login": ""},
        {"host": "ftp://x"},
        {"host": f"https://user:{PROXY}@aep.example"},
        {"password": f"{SECRET}\n"},
        {"password": f"{SECRET}\ud800"},
        {"extra": {"access_token": f"{GIVEN}\r\nX-Evil: 1"}},
        {"extra": {"access_token": f"{GIVEN}日本"}},
        {"extra": {"ims_url": f"https://user:{PROXY}@ims.example"}},
        {"extra": {"timeout": 10**400, "org_id": ""}},
        {"conn_type": "snowflake"},
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", [Sync, Async], ids=["worker", "triggerer"])
def test_a_connection_that_cannot_be_used_is_refused_without_its_secrets(
    kind: Any, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"org_id": "ORG@AdobeOrg", "access_token": GIVEN, **wrong.get("extra", {})}
    value = {
        "conn_type": "adobe_experience_platform",
        "host": "https://aep.example",
        "login": "client-1",
        "password": SECRET,
        **wrong,
        "extra": extra,
    }
    monkeypatch.setenv("AIRFLOW_CONN_AEP_TEST", json.dumps(value))
    hook = kind()
    with pytest.raises(AepConnectionConfigError) as caught:
        hook.call(endpoints.destination_flows())
    hook.close()
    assert not leaks(told_by(caught.value), SECRETS)


def test_what_this_file_looks_for_would_be_found() -> None:
    def hide() -> None:
        try:
            raise TransportError(f"sent {SECRET}", sent=True)
        except TransportError:
            raise ValueError("hidden") from None

    with pytest.raises(ValueError, match="hidden") as caught:
        hide()
    assert leaks(told_by(caught.value), SECRETS) == [SECRET]
    assert leaks("client_secret=p8e-very%2Fsecret", SECRETS) == [SECRET]
    assert leaks("nothing", SECRETS) == []


# -- what Airflow keeps


def test_no_trigger_holds_a_secret(aep: LocalAep, airflow_db: None) -> None:
    """Its arguments lie in the database in clear text."""
    auth.forget_all()
    task = FlowRunSensor(task_id="watch", orders=["run-1"])
    place = task._trigger_arguments(dt.datetime.now(tz=dt.UTC))
    task.hook.call(endpoints.destination_flows())
    record = Record(3, {Pair("mail", "gold"): None}).to_json()
    triggers = [
        SegmentExportTrigger(activation_info={"mail": ["gold"]}, **place),
        FlowRunTrigger(orders=[["mail", "gold", "run-1", False]], **place),
        LostSubmissionTrigger(record=record, settle_seconds=1, **place),
    ]
    secrets = [aep.connection()["password"], *aep.tokens()]
    assert len(secrets) > 1
    for trigger in triggers:
        assert not leaks(json.dumps(trigger.serialize()), secrets)
        assert set(trigger.serialize()[1]) >= {"aep_conn_id", "sandbox_name", "deadline"}
        assert not leaks(repr(trigger.shared_stream_key()), secrets)


def test_what_is_kept_of_a_delivery_has_no_place_for_a_secret() -> None:
    """Ids, names, times and counts: the builders never see the connection."""
    kept = [
        Job(1, 1, (Pair("mail", "gold"),), {"gold": "x"}).to_json(),
        Record(3, {Pair("mail", "gold"): Activation("mail", "gold", "run-1")}).to_json(),
    ]
    assert [set(item) for item in kept] == [
        {"job", "of", "activation_info", "aliases"},
        {"v", "state", "orders", "adopted", "max_tries", "failed_runs", "lost", "unsure"},
    ]


def test_whole_runs_leave_no_secret_in_logs_and_database(
    aep: LocalAep, deliver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Deliveries that succeed, fail, and meet trouble on the way, with every library at DEBUG."""
    caplog.set_level(logging.DEBUG)
    auth.forget_all()
    aep.add_outcomes({"audience_id": "silver", "status": "failed", "code": "X-1", "message": "no space"})
    aep.add_faults(
        {"kind": "expired_token", "path": "*/export/jobs", "skip": 1},
        {"kind": "html", "path": "*/runs*", "skip": 2},
        {"kind": "close_after", "method": "POST", "path": "*/adhocrun"},
    )
    logs = [deliver({"mail": ["gold", "silver"]}).log]
    aep.add_faults({"kind": "status", "status": 403, "path": "*/flows/*"})
    logs.append(deliver({"shop": ["bronze"]}).log)

    secrets = [aep.connection()["password"], *aep.tokens()]
    assert len(secrets) > 2, "no second token was minted"
    assert aep.posts()
    assert "no space" in logs[0]
    assert "HTTP 403" in logs[1]
    assert "urllib3" in caplog.text
    for text in (*logs, caplog.text):
        assert not leaks(text, secrets)
    files = [path for path in Path(os.environ["AIRFLOW_HOME"]).rglob("*") if path.is_file()]
    assert any(b"no space" in path.read_bytes() for path in files if path.suffix in (".db", ".db-wal")), files
    for path in files:
        assert not leaks(path.read_bytes().decode("latin-1"), secrets), path.name
