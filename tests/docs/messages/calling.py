"""Messages about the connection, its credential, and the way to AEP; those of the button *Test*."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from airflow.sdk._shared.secrets_masker.secrets_masker import SecretsMasker

from adobe_experience_platform.aep import endpoints, transport
from adobe_experience_platform.hooks import sync_hook, throttle, told
from adobe_experience_platform.hooks.http_hook import AdobeExperiencePlatformHook
from adobe_experience_platform.operators import long_pauses
from adobe_experience_platform.operators.catalog import CatalogOperator
from adobe_experience_platform.triggers import polling
from adobe_experience_platform.triggers.segment_export import SegmentExportTrigger
from tests.support.aep import FLOWS, SEED, TOKEN
from tests.support.sockets import closed_port

from .stage import Stage, produces


@produces("There is no connection")
def a_connection_that_is_not_there(stage: Stage) -> None:
    stage.fails(lambda: AdobeExperiencePlatformHook("aep_nowhere").settings)
    stage.connect(conn_type="http")
    stage.fails(stage.asks)


@produces(
    "cannot be used:",
    "Login is empty: enter the client id (API key) of the Developer Console credential",
    "Password is empty: enter the client secret of the Developer Console credential",
    "extra 'org_id' is missing: enter the IMS organization id",
    "is not a valid web address: enter one such as",
    ": enter seconds above 0, at most",
    "is neither a string nor a list of strings: enter the scopes separated by commas",
    "is not text: enter text",
    "is neither true nor false: enter one of them",
    "is neither true nor false nor text: enter the path of a CA bundle",
    "is not a path: enter that of a client certificate",
    "is not usable: enter http or https proxies",
)
def an_empty_connection(stage: Stage) -> None:
    extra = {"org_id": "", "timeout": "60 s", "scopes": {"openid": True}, "tenant": [], "allow_http": "maybe"}
    extra |= {"verify": 0.0, "cert": {}, "proxies": {"https": "socks5://proxy"}}
    stage.connect(extra, login="", password="", host="ftp://aep")
    stage.fails(stage.asks)


@produces(
    "contains a space, a line break or another character not allowed in a header: paste it again",
    "contains a line break: paste it again without it",
    "contains a character that cannot be sent: paste it again without it",
    "must contain only scheme, host and port, such as",
    "uses http, which exposes the token to anyone on the network: use https",
)
def a_connection_pasted_badly(stage: Stage) -> None:
    extra = {"access_token": "to\x07ken", "ims_url": "https://ims.example/ims/token/v3"}
    stage.connect(extra, login="two words", password="secret\n", host="http://platform.adobe.io")
    stage.fails(stage.asks)


@produces("Extra is not a JSON object", "Schema is neither http nor https: leave it empty for https")
def an_extra_that_cannot_be_read(stage: Stage) -> None:
    value = {"conn_type": "adobe_experience_platform", "host": "aep", "schema": "ftp", "extra": "[]"}
    stage.monkeypatch.setenv("AIRFLOW_CONN_AEP_DEFAULT", json.dumps(value))
    stage.fails(stage.asks)


@produces("The environment's proxy for")
def a_proxy_of_the_environment_that_cannot_be_used(stage: Stage) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        stage.monkeypatch.delenv(name, raising=False)
    stage.monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
    stage.connect({"access_token": "given"}, host="https://aep.invalid")
    stage.fails(stage.asks)


@produces("names a file that cannot be read as a certificate")
def certificates_that_are_not_there(stage: Stage) -> None:
    stage.connect({"verify": "/no/such/ca.pem"}, host="https://127.0.0.1:9")
    stage.fails(stage.asks)


@produces("check Login (client id) and Password (client secret) of the connection")
def a_wrong_secret(stage: Stage) -> None:
    stage.connect(password="wrong")
    stage.fails(stage.asks)


@produces("compare extra 'scopes' with the scopes shown in the Developer Console project")
def a_wrong_scope(stage: Stage) -> None:
    stage.connect({"scopes": ["openid", "everything"]})
    stage.fails(stage.asks)


@produces("check the credential in the Adobe Developer Console")
def another_refusal_of_the_token(stage: Stage) -> None:
    stage.answers(TOKEN, 400, body={"error": "access_denied", "error_description": "no"})
    stage.fails(stage.asks)


@produces("redirects are not followed")
def a_stranger_at_the_ims_url(stage: Stage) -> None:
    stage.meets("redirect", TOKEN, location="https://login.example/")
    stage.fails(stage.asks)


@produces("the response has no access_token")
def a_token_that_is_none(stage: Stage) -> None:
    stage.answers(TOKEN, body={"token": "of another kind"})
    stage.fails(stage.asks)


@produces("the access token in the connection was rejected")
def a_token_of_yesterday(stage: Stage) -> None:
    stage.connect({"access_token": "expired"})
    stage.fails(stage.asks)


@produces("a newly issued token was rejected: check client id and scopes")
def a_fresh_token_that_is_refused(stage: Stage) -> None:
    stage.answers(FLOWS, 401, body={"error_code": "401013", "message": "Oauth token is not valid"})
    stage.fails(stage.asks)


@produces("check the credential of the connection")
def a_401_without_a_code(stage: Stage) -> None:
    stage.answers(FLOWS, 401, body={})
    stage.fails(stage.asks)


@produces("check Login (client id) of the connection")
def an_unknown_api_key(stage: Stage) -> None:
    stage.answers(FLOWS, 403, body={"error_code": "403003", "message": "Api Key is invalid"})
    stage.fails(stage.asks)


@produces("the credential is not entitled for this organization: check extra 'org_id'")
def another_organization(stage: Stage) -> None:
    stage.connect({"org_id": "OTHER@AdobeOrg"})
    stage.fails(stage.asks)


@produces("check extra 'org_id', and add the credential to a product profile")
def an_organization_id_that_is_none(stage: Stage) -> None:
    stage.connect({"org_id": "OTHER"})
    stage.fails(stage.asks)


@produces("add the credential to a role with access to this sandbox and its destinations")
def a_credential_without_a_role(stage: Stage) -> None:
    account = stage.aep.connection()
    credential = {"client_id": account["login"], "client_secrets": [account["password"]], "sandboxes": ["dev"]}
    stage.aep.reset({**SEED, "credentials": [credential]})
    stage.fails(stage.asks)


@produces("give the credential a role on this sandbox with View Destinations")
def a_403_without_a_code(stage: Stage) -> None:
    stage.answers(FLOWS, 403, body={})
    stage.fails(stage.asks)


@produces("check the sandbox name")
def a_sandbox_that_is_not_there(stage: Stage) -> None:
    stage.connect({"sandbox_name": "mistyped"})
    stage.fails(stage.asks)


@produces("check the ids and the sandbox")
def a_flow_that_is_not_there(stage: Stage) -> None:
    stage.fails(lambda: stage.asks("nowhere"))


@produces("connection refused or host not found", "reachable from this machine?")
def nobody_at_the_host(stage: Stage) -> None:
    stage.connect(host=f"http://127.0.0.1:{closed_port()}")
    stage.fails(stage.asks)


@produces("(extra 'ims_url') reachable from here?")
def nobody_at_the_ims_url(stage: Stage) -> None:
    stage.connect({"ims_url": f"http://127.0.0.1:{closed_port()}"})
    stage.fails(stage.asks)


@produces("the TLS certificate was not accepted")
def a_host_that_does_not_speak_tls(stage: Stage) -> None:
    stage.connect(host=stage.aep.base_url.replace("http:", "https:"))
    stage.fails(stage.asks)


@produces("response within")
def a_slow_answer(stage: Stage) -> None:
    stage.asks()
    stage.connect({"timeout": 0.2})
    stage.meets("delay", FLOWS, delay=1)
    stage.fails(stage.asks)


@produces("the connection was closed")
def a_connection_that_breaks(stage: Stage) -> None:
    stage.meets("close_before", FLOWS)
    stage.fails(stage.asks)


@produces("the response is larger than")
def an_answer_without_end(stage: Stage) -> None:
    stage.answers(FLOWS, body="x" * (transport.MAX_BODY + 1))
    stage.fails(stage.asks)


@produces("AEP takes no more requests for now")
def a_limit_that_is_waited_for(stage: Stage) -> None:
    now = [0.0]
    clock = SimpleNamespace(
        monotonic=lambda: now[0], time=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds)
    )
    for module in (sync_hook, throttle, told):
        stage.monkeypatch.setattr(module, "time", clock)
    stage.meets("status", FLOWS, status=429, headers={"Retry-After": "20"}, times=1)
    stage.runs(lambda: AdobeExperiencePlatformHook().call(endpoints.destination_flows()))


@produces("AEP has asked not to be asked for a while", "AEP has asked not to be asked until")
def a_limit_that_lasts(stage: Stage) -> None:
    stage.monkeypatch.setattr(long_pauses, "get_current_context", lambda: stage.context)
    stage.answers(FLOWS, 429, headers={"Retry-After": "2400"})
    stage.defers(lambda: CatalogOperator(task_id="task").execute(stage.context))
    stage.fails(stage.asks)


@produces("Other processes will not know of AEP's pause")
def a_pause_that_cannot_be_shared(stage: Stage) -> None:
    stage.monkeypatch.setenv("AIRFLOW__ADOBE_EXPERIENCE_PLATFORM__PAUSES_FOLDER", f"{__file__}/pauses")
    stage.answers(FLOWS, 429, headers={"Retry-After": "2400"})
    stage.fails(stage.asks)


@produces("AEP is busy or has a problem; the call is retried")
def a_busy_aep(stage: Stage) -> None:
    stage.answers(FLOWS, 503)
    stage.fails(stage.asks)


@produces("the body is not a JSON object", "if this persists, check what sits between Airflow and AEP, such as a proxy")
def a_login_page_instead_of_an_answer(stage: Stage) -> None:
    stage.answers(FLOWS, body="<html>Welcome")
    stage.fails(stage.asks)


@produces("AEP's response has an unexpected form; if this persists, compare it with Adobe's API reference")
def an_answer_without_its_list(stage: Stage) -> None:
    stage.answers(FLOWS, body={"flows": "elsewhere"})
    stage.fails(stage.asks)


@produces("no item with id")
def an_answer_about_something_else(stage: Stage) -> None:
    stage.answers(f"{FLOWS}/mail", body={"items": [{"id": "shop"}]})
    stage.fails(lambda: stage.asks("mail"))


@produces("redirect to another host not followed, to keep the token from other hosts")
def a_redirect_elsewhere(stage: Stage) -> None:
    stage.meets("redirect", FLOWS, location="https://elsewhere.example/flows")
    stage.fails(stage.asks)


@produces("redirect to the same address")
def a_redirect_to_itself(stage: Stage) -> None:
    stage.meets("redirect", FLOWS, location=FLOWS)
    stage.fails(stage.asks)


@produces("too many redirects")
def a_redirect_in_circles(stage: Stage) -> None:
    stage.meets("redirect", FLOWS, location=f"{FLOWS}/again")
    stage.meets("redirect", f"{FLOWS}/again", location=FLOWS)
    stage.fails(stage.asks)


@produces("correct what AEP reports; the same request would be rejected again")
def another_4xx(stage: Stage) -> None:
    stage.answers(FLOWS, 422, body={"message": "come on"})
    stage.fails(stage.asks)


@produces("Polling AEP failed", "AEP responds again after")
def a_wait_that_outlives_trouble(stage: Stage) -> None:
    stage.monkeypatch.setattr(polling, "SHORTEST_PAUSE", 0.1)
    stage.aep.add_faults({"kind": "status", "status": 404, "path": "*/export/jobs", "times": 1})
    stage.waits(SegmentExportTrigger(**stage.place()))


# ------------------------------------------------------------------------------------ the button Test

PRESSED: dict[str, tuple[dict[str, Any], tuple[str, str, dict[str, Any]] | None]] = {
    "destination flow": ({}, None),
    "The client secret is wrong: copy it again from": ({"password": "wrong"}, None),
    "Adobe does not recognize this client id: copy it again from": ({"login": "wrong"}, None),
    "The credential is not allowed these scopes: copy the scopes from": ({"extra": {"scopes": "openid,wrong"}}, None),
    "Adobe rejected the credential: compare Client ID, Client secret and Scopes": (
        {},
        ("status", TOKEN, {"status": 400, "body": {"error": "access_denied"}}),
    ),
    "is not Adobe's identity service: leave IMS URL empty": ({}, ("html", TOKEN, {"status": 404})),
    "having problems, or something else is answering at": ({}, ("html", FLOWS, {"status": 503})),
    "is having problems: try again in a minute": ({}, ("status", FLOWS, {"status": 503})),
    "AEP does not find this in sandbox": ({}, ("status", FLOWS, {"status": 404})),
    "There is no sandbox": ({"extra": {"sandbox_name": "wrong"}}, None),
    "The credential does not belong to": ({"extra": {"org_id": "OTHER@AdobeOrg"}}, None),
    "is not an IMS organization id, or the credential has no product profile": ({"extra": {"org_id": "OTHER"}}, None),
    "AEP rejected the client id: add the Experience Platform API": (
        {},
        ("status", FLOWS, {"status": 403, "body": {"error_code": "403000"}}),
    ),
    "The credential has no role on sandbox": ({}, ("status", FLOWS, {"status": 403, "body": {}})),
    "The access token has expired or is wrong": ({"extra": {"access_token": "old"}}, None),
    "AEP rejected a newly issued token": ({}, ("status", FLOWS, {"status": 401, "body": {}})),
    "is not AEP: leave Host empty": ({}, ("html", FLOWS, {"status": 404})),
    "AEP rejected the call.": ({}, ("status", FLOWS, {"status": 422, "body": {}})),
    "cannot be reached or refused the connection: check Proxies": (
        {"extra": {"proxies": {"http": "http://127.0.0.1:9"}}},
        None,
    ),
    "was not accepted: set CA bundle": ({"host": "https://127.0.0.1"}, None),
    "cannot be reached at": ({"host": "http://127.0.0.1:9"}, None),
}


@produces(*PRESSED)
def the_button_test(stage: Stage) -> None:
    for message, (changes, fault) in PRESSED.items():
        if changes.get("host") == "https://127.0.0.1":
            changes = {"host": stage.aep.base_url.replace("http:", "https:")}
        stage.aep.reset(SEED)
        if fault:
            stage.meets(fault[0], fault[1], **fault[2])
        before = len(stage.said)
        stage.presses_test(**changes)
        assert message in stage.said[before:]


@produces("Skipping masking for a secret as it's too short")
def a_connection_with_a_short_value(stage: Stage) -> None:
    stage.monkeypatch.setattr(SecretsMasker, "_has_warned_short_secret", False)
    stage.connect({"sandbox_name": "prod"})
    stage.runs(stage.asks)
