"""Client secret and tokens are shown by nothing: no value's text, no trigger, no XCom, no log, no database."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import gzip
import html
import json
import logging
import os
import re
import time
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from adobe_experience_platform.aep import auth, endpoints, for_mail, one_line, short_repr, without_secrets
from adobe_experience_platform.aep.connection import AepConnection
from adobe_experience_platform.aep.orders import Activation, Pair
from adobe_experience_platform.aep.secrets import blot
from adobe_experience_platform.aep.transport import NeedToken, Received, TransportError, exchange, mint
from adobe_experience_platform.delivery.jobs import Job
from adobe_experience_platform.delivery.record import Record
from adobe_experience_platform.errors import AepConnectionConfigError, AepError
from adobe_experience_platform.hooks.async_hook import AdobeExperiencePlatformAsyncHook
from adobe_experience_platform.hooks.http_hook import AdobeExperiencePlatformHook
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


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper case": str.upper,
    "percent": lambda text: quote(text, safe=""),
    "percent, every byte": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "JSON escapes": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "JSON escape of a sign": lambda text: text.replace("-", "\\u002d").replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps("".join(f"\\u{ord(char):04X}" for char in text)),
    "Python escapes": lambda text: "".join(f"\\x{ord(char):02x}" for char in text),
    "octal escapes": lambda text: "".join(f"\\{ord(char):03o}" for char in text),
    "entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "entities in hex": lambda text: "".join(f"&#x{ord(char):X};" for char in text),
    "an entity of a sign": lambda text: text.replace("-", "&#45;").replace("/", "&sol;"),
    "percent of entities": lambda text: quote("".join(f"&#{ord(char)};" for char in text), safe=""),
    **{
        f"base64 after {offset}": lambda text, offset=offset: base64.b64encode(b"x" * offset + text.encode()).decode()
        for offset in range(4)
    },
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(b"?" + text.encode()).decode(),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "hex with colons": lambda text: text.encode().hex(":"),
    "hex as a list": lambda text: ", ".join(f"0x{byte:02x}" for byte in text.encode()),
    "decimal": lambda text: str(list(text.encode())),
    "quoted-printable": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "percent u": lambda text: "".join(f"%u{ord(char):04x}" for char in text),
    "percent four times": lambda text: functools.reduce(lambda found, _: quote(found, safe=""), range(4), text),
    "full width": lambda text: "".join(chr(ord(char) + 0xFEE0) for char in text),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(b"client-1:" + text.encode())).decode(),
    "base64 of percent": lambda text: base64.b64encode(quote(text, safe="").encode()).decode(),
    "UTF-16": lambda text: text.encode("utf-16-le").decode("latin-1"),
    "broken lines": lambda text: text[:9] + "\r\n\t" + text[9:],
    "with zero-width marks": "\u200b".join,
}
"""How → what an answer makes of a secret."""
EVERY_ENCODING = pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)


def decoded(text: str) -> set[str]:
    """Return what a person could make of a shown text, in a way of its own: without spaces and case."""
    versions = {text, unicodedata.normalize("NFKC", text)}
    for _ in range(4):
        for version in list(versions):
            versions |= {unquote(version), html.unescape(version), version.replace("\\/", "/")}
            versions.add(re.sub(r"\\+(?:u00|x)([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), version))
            versions.add(re.sub(r"\\+([0-7]{3})", lambda match: chr(int(match[1], 8)), version))
    return {"".join(char for char in version if "!" <= char <= "~") for version in versions}


def check_shown(text: str, *secrets: str) -> None:
    """Check that nobody could read a secret out of a shown text."""
    for version in decoded(text):
        assert not leaks(version, secrets), ascii(text)


@EVERY_ENCODING
@pytest.mark.parametrize("where", ["message", "code", "raw", "utf-16", "utf-16 raw", "x-request-id", "conflict"])
@pytest.mark.parametrize("secret", [SECRET, TOKEN])
def test_an_echoed_secret_is_shown_in_no_encoding(encode: Callable[[str], str], where: str, secret: str) -> None:
    """Case 8: AEP's text was searched for the secret before it was decoded, and the request id not at all."""
    said = f"before {encode(secret)} after"
    headers: dict[str, str] = {}
    document: dict[str, str] = {"message": said}
    if where == "code":
        document = {"error_code": said, "message": "no"}
    elif where == "conflict":
        document = {"message": f"Run already going on for audience {encode(secret)} for order f with run id r"}
    body = json.dumps(document).encode("utf-16" if where == "utf-16" else "utf-8")
    if where.endswith("raw"):
        body = said.encode("utf-16-le" if where.startswith("utf-16") else "utf-8")
    elif where == "x-request-id":
        headers, body = {"x-request-id": said}, b"{}"
    for status in (400, 403, 503, 200):
        call = endpoints.activate([Pair("f", "a")], export_id=None)
        request = next(call)

        def react(effect: Any, status: int = status) -> Any:
            return TOKEN if isinstance(effect, NeedToken) else Received(status, headers, body)

        try:
            shown = str(play(exchange(connection(), request), react))
        except AepError as error:
            shown = told_by(error) if status != 200 else str(error)
        call.close()
        if status != 200 or where == "x-request-id":
            check_shown(shown, secret)


@EVERY_ENCODING
def test_the_identity_service_may_echo_the_secret_in_any_encoding(encode: Callable[[str], str]) -> None:
    body = json.dumps({"error": "invalid_client", "error_description": f"no {encode(SECRET)} no"}).encode()
    answer = Received(400, {"x-request-id": encode(SECRET)}, body)
    with pytest.raises(AepError) as caught:
        play(mint(connection(access_token="")), lambda _: answer)
    check_shown(told_by(caught.value), SECRET)
    assert "invalid_client" in str(caught.value)


def test_a_part_of_a_token_is_not_shown_either() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9." + "QUJDREVGR0hJSktMTU5PUA" * 40
    for part in (token[:60], token[300:340], token[-40:]):
        assert part not in blot(f"bad token {part}", [token])


@pytest.mark.parametrize("sign", ["\\", "%", "%25", "&amp;", "\\u{", "[1, ", " ", "\u2167"])
def test_a_text_of_signs_costs_a_moment(sign: str) -> None:
    """10,000 backslashes held the triggerer's event loop for eight seconds each time that they were looked at."""
    begin = time.process_time()
    blot(sign * 10_000, [SECRET, TOKEN])
    assert time.process_time() - begin < 2


def test_what_holds_no_secret_stays_as_it_is() -> None:
    for text in ("100% of \\users &amp; it's fine", "%zz %e4 \\u00 \\x4 &nosuch;", "C:\\new\\027", "日本語", ""):
        assert blot(text, [SECRET, TOKEN, ""]) == text


NOTICED = {
    "user and password": ("posted to https://user:hunter2hunter2@host.example:8065/hooks/x", "hunter2hunter2"),
    "upper-case scheme": ("posted to HTTPS://user:hunter2hunter2@host.example/x", "hunter2hunter2"),
    "a token in an address of its own kind": ("cannot reach tgram://123:hunter2hunter2/chat", "hunter2hunter2"),
    "upper-case kind": ("cannot reach TGRAM://123:hunter2hunter2/chat", "hunter2hunter2"),
    "a bearer": ("sent Authorization: Bearer hunter2hunter2", "hunter2hunter2"),
    "an upper-case bearer": ("sent BEARER hunter2hunter2", "hunter2hunter2"),
    "basic": ("header Basic aHVudGVyMjpodW50ZXIy", "aHVudGVyMjpodW50ZXIy"),
    "a nested header": ("{'headers': {'X-Auth': {'password': 'hunter2 hunter2'}}}", "hunter2"),
    "a webhook's path": ("https://hooks.example/services/T1/B1/hunter2hunter2", "hunter2hunter2"),
    "a password with a slash": ("posted to https://user:hunter2/hunter2@host.example/x", "hunter2"),
    "a password with a hash sign": ("posted to https://user:hunter2#hunter2@host.example/x", "hunter2"),
    "an address without a scheme": ("posted to //user:hunter2hunter2@host.example/x", "hunter2hunter2"),
    "an address of backslashes": ("posted to https:\\\\user:hunter2hunter2@host.example", "hunter2hunter2"),
    "an access key": ("AccountName=x;AccessKey=hunter2hunter2;", "hunter2hunter2"),
    "pwd": ("server=x;uid=y;pwd=hunter2hunter2", "hunter2hunter2"),
    "a quoted quote": (r'{"password": "a\"hunter2hunter2"}', "hunter2hunter2"),
    "a nested value": ('{"password": {"value": "hunter2hunter2"}}', "hunter2hunter2"),
    "a JWT": ("rejected eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.hunter2hunter2", "hunter2hunter2"),
    "a query": ("https://x.example/?token=hunter2hunter2", "hunter2hunter2"),
}


@pytest.mark.parametrize(("text", "secret"), NOTICED.values(), ids=NOTICED)
@pytest.mark.parametrize("show", [without_secrets, for_mail, short_repr], ids=["log", "mail", "fault"])
def test_notices_and_faults_show_no_credential(show: Callable[[str], str], text: str, secret: str) -> None:
    """Case 13."""
    assert secret not in show(text)


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31mred", "a\r\n::group::b", "\u202eright to left", "x" * 5000])
def test_an_approvers_name_is_one_line(name: str) -> None:
    """Case 13."""
    for shown in (one_line(name, 100), for_mail(name)):
        assert shown.isprintable()
        assert len(shown) <= 600
        assert "::group" not in shown


def test_what_this_file_looks_for_would_be_found() -> None:
    def hide() -> None:
        try:
            raise TransportError(f"sent {SECRET}", sent=True)
        except TransportError:
            raise ValueError("hidden") from None

    with pytest.raises(ValueError, match="hidden") as caught:
        hide()
    assert leaks(told_by(caught.value), SECRETS) == [SECRET]
    assert leaks("nothing", SECRETS) == []


@EVERY_ENCODING
def test_the_scan_for_secrets_knows_the_encodings(encode: Callable[[str], str]) -> None:
    assert any(leaks(version, [SECRET]) for version in decoded(f"x{encode(SECRET)}x"))
    usual = (
        "percent four",
        "broken",
        "zero-width",
        "twice",
        "JSON in",
        "JSON escape of",
        "octal",
        "percent of",
        "an entity",
    )
    if encode not in [made for name, made in ENCODINGS.items() if name.startswith(usual) or "zero" in name]:
        assert leaks(f"x{encode(SECRET)}x", [SECRET]) == [SECRET]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zlib.compress, lambda raw: b"\0" * 99 + gzip.compress(raw)])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_the_scan_for_secrets_unpacks_and_knows_utf_16(pack: Callable[[bytes], bytes], encoding: str) -> None:
    assert leaks(pack(f"some {SECRET} text".encode(encoding)), SECRETS) == [SECRET]


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
        {"v", "state", "orders", "adopted", "max_tries", "marks", "not_ours", "doubtful", "lost", "later"},
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
        assert not leaks(path.read_bytes(), secrets), path.name
