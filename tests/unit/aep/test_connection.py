"""The Airflow connection: every fault at once, no secret shown, no token sent where it may be read."""

from __future__ import annotations

import json
from types import SimpleNamespace
from urllib.parse import quote, urlencode

import pytest
from airflow.sdk import Connection

from adobe_experience_platform.aep.connection import (
    CONN_TYPE,
    DEFAULT_HOST,
    DEFAULT_IMS_URL,
    DEFAULT_SCOPES,
    DEFAULT_TIMEOUT,
    AepConnection,
    conn_id_fault,
    is_loopback,
    no_connection,
)
from adobe_experience_platform.errors import AepConnectionConfigError

BASE = {"conn_type": CONN_TYPE, "login": "client-1", "password": "p8e-secret"}


def connection(extra=None, **changes):
    text = json.dumps({"org_id": "ORG@AdobeOrg", **(extra or {})})
    return Connection(conn_id="aep_default", extra=text, **{**BASE, **changes})


def parse(extra=None, sandbox_name=None, **changes):
    made = connection(extra, **changes)
    return AepConnection.parse(made, sandbox_name)


def faults(extra=None, sandbox_name=None, **changes):
    with pytest.raises(AepConnectionConfigError) as caught:
        parse(extra, sandbox_name, **changes)
    return str(caught.value)


def test_defaults():
    read = parse()
    assert (read.base_url, read.ims_url, read.sandbox_name) == (DEFAULT_HOST, DEFAULT_IMS_URL, "prod")
    assert (read.scopes, read.timeout, read.verify, read.cert) == (DEFAULT_SCOPES, DEFAULT_TIMEOUT, True, None)
    assert (read.access_token, read.tenant, read.proxies, read.trust_env) == ("", "", {}, True)


def test_every_field_is_read():
    read = parse(
        {
            "sandbox_name": "dev",
            "scopes": "openid",
            "ims_url": "https://ims.example/",
            "access_token": "tok",
            "tenant": "acme",
            "timeout": "30",
            "verify": "/ca.pem",
            "cert": ["/c.pem", "/k.pem"],
            "proxies": {"https": "http://proxy:3128"},
            "trust_env": "false",
        },
        host="https://aep.example:8443",
    )
    assert read == AepConnection(
        conn_id="aep_default",
        base_url="https://aep.example:8443",
        ims_url="https://ims.example",
        client_id="client-1",
        client_secret="p8e-secret",
        access_token="tok",
        org_id="ORG@AdobeOrg",
        sandbox_name="dev",
        scopes="openid",
        tenant="acme",
        timeout=30.0,
        verify="/ca.pem",
        cert=("/c.pem", "/k.pem"),
        proxies={"https": "http://proxy:3128"},
        trust_env=False,
    )


def test_a_run_may_name_another_sandbox():
    assert parse({"sandbox_name": "dev"}, "stage").sandbox_name == "stage"


def test_all_faults_are_named_at_once():
    text = faults({"org_id": "", "ims_url": "nowhere"}, "pr od", login="", password=None, host="ftp://aep.example")
    for said in (
        "Login is empty",
        "Password is empty",
        "org_id",
        "Host is not a valid web address",
        "ims_url",
        "sandbox name",
    ):
        assert said in text
    assert "'aep_default'" in text
    assert len(text.splitlines()) == 7


@pytest.mark.parametrize("conn_type", ["http", "aws", "postgres", "", None])
def test_another_systems_connection_is_refused_as_if_it_were_not_there(conn_type):
    """Case 11: the log told the ids and types of all connections."""
    text = faults(conn_type=conn_type, extra={"org_id": []}, login="")
    assert text == str(no_connection("aep_default"))
    assert conn_type is None or f"{conn_type!r}" not in text


@pytest.mark.parametrize(
    "conn_id", ["a#b", "a/b", "../a", ".", "..", "a b", "a?b", "a\\b", "a\n", "", "ä", "a%2F", "(a)", 7]
)
def test_what_is_no_plain_id_is_not_looked_up(conn_id):
    """Case 11: ``a#b`` was read as ``a``."""
    assert conn_id_fault(conn_id)


@pytest.mark.parametrize("conn_id", ["aep_default", "AEP-1", "team.aep", "team:aep", "...", "7"])
def test_plain_ids_are_looked_up(conn_id):
    assert conn_id_fault(conn_id) is None


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("platform.adobe.io", "https://platform.adobe.io"),
        ("platform.adobe.io/", "https://platform.adobe.io"),
        ("https://platform.adobe.io", "https://platform.adobe.io"),
        ("  https://platform.adobe.io ", "https://platform.adobe.io"),
        ("HTTPS://Platform.Adobe.io", "https://platform.adobe.io"),
        ("http://127.0.0.1:8090", "http://127.0.0.1:8090"),
        ("http://127.8.8.8", "http://127.8.8.8"),
        ("http://localhost:8090/", "http://localhost:8090"),
        ("http://[::1]:8090", "http://[::1]:8090"),
        ("", DEFAULT_HOST),
        (None, DEFAULT_HOST),
    ],
)
def test_hosts_that_are_taken(host, url):
    assert parse(host=host).base_url == url


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({"host": "127.0.0.1", "schema": "http", "port": 8090}, "http://127.0.0.1:8090"),
        ({"host": "aep.example", "schema": "https", "port": 8443}, "https://aep.example:8443"),
        ({"host": "aep.example", "schema": " "}, "https://aep.example"),
        ({"host": "https://aep.example/", "port": 8443}, "https://aep.example:8443"),
        ({"host": "https://aep.example:8443", "port": 8443}, "https://aep.example:8443"),
        ({"host": "https://aep.example:8443", "port": 0}, "https://aep.example:8443"),
        ({"host": "https://aep.example", "port": 0}, "https://aep.example"),
        ({"host": "", "port": 443}, f"{DEFAULT_HOST}:443"),
        ({"host": "http://[::1]", "port": 8090}, "http://[::1]:8090"),
    ],
)
def test_scheme_and_port_may_have_fields_of_their_own(changes, url):
    assert parse(**changes).base_url == url


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "https://aep.example:8443", "port": 443}, "Port is 443, but Host ends with :8443: change one"),
        ({"port": 70000}, "Port 70000 is not a valid port: enter 443"),
        ({"port": -1}, "Port -1 is not a valid port: enter 443"),
        ({"host": "aep.example", "schema": "ftp"}, "Schema is neither http nor https: leave it empty"),
    ],
)
def test_ports_that_cannot_be_right(changes, said):
    assert said in faults(**changes)


def test_a_wrong_host_is_one_fault_also_with_a_port():
    assert faults(host="https://aep.example/data", port=8443).count("\n") == 1


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("http://platform.adobe.io", "uses http"),
        ("http://127.0.0.1.evil.example", "uses http"),
        ("http://localhost.evil.example", "uses http"),
        ("http://10.0.0.1", "uses http"),
        ("http://0.0.0.0", "uses http"),
        ("https://user:pw@aep.example", "only scheme, host and port"),
        ("https://aep.example/data", "only scheme, host and port"),
        ("https://aep.example?x=1", "only scheme, host and port"),
        ("https://aep.example#x", "only scheme, host and port"),
        ("file:///etc/passwd", "is not a valid web address"),
        ("https://", "is not a valid web address"),
        ("https://aep.example:99999", "is not a valid web address"),
        ("https://[::1", "is not a valid web address"),
    ],
)
@pytest.mark.parametrize("where", ["host", "ims_url"])
def test_hosts_that_are_refused(host, said, where):
    text = faults({"ims_url": host}) if where == "ims_url" else faults(host=host)
    assert said in text
    assert "user:pw" not in text


@pytest.mark.parametrize(
    ("value", "allowed"), [(True, True), ("true", True), ("1", True), (False, False), ("no", False)]
)
def test_http_elsewhere_needs_an_explicit_word(value, allowed):
    if allowed:
        assert parse({"allow_http": value}, host="http://aep.example").base_url == "http://aep.example"
    else:
        assert "uses http" in faults({"allow_http": value}, host="http://aep.example")


@pytest.mark.parametrize(
    ("extra", "changes", "said"),
    [
        ({}, {"login": "client\r\nX-Evil: 1"}, "Login contains"),
        ({"org_id": "ORG @AdobeOrg"}, {}, "'org_id' contains"),
        ({"org_id": "ÖRG@AdobeOrg"}, {}, "'org_id' contains"),
        ({"sandbox_name": "prod\nx"}, {}, "sandbox name contains"),
        ({"access_token": "a\nb"}, {}, "'access_token' contains a line break"),
        ({}, {"password": "secret\n"}, "Password contains a line break"),
    ],
)
def test_what_would_break_a_header_is_refused(extra, changes, said):
    text = faults(extra, **changes)
    assert said in text
    assert "secret" not in text
    assert "X-Evil" not in text


@pytest.mark.parametrize("char", ["a\nb", "ä", "a b"])
def test_a_runs_sandbox_is_checked_like_the_connections(char):
    assert "sandbox name contains" in faults(sandbox_name=char)


def test_no_secret_is_shown():
    read = parse({"access_token": "tok-123", "proxies": {"https": "http://user:proxypw@proxy"}})
    for shown in (repr(read), str(read), f"{read}"):
        assert "p8e-secret" not in shown
        assert "tok-123" not in shown
        assert "proxypw" not in shown


def test_a_token_stands_in_for_a_secret():
    assert parse({"access_token": "tok"}, password=None).access_token == "tok"


@pytest.mark.parametrize(
    ("value", "seconds"), [(30, 30.0), ("2.5", 2.5), (600, 600.0), (0.5, 0.5), (None, 60.0), ("", 60.0)]
)
def test_a_timeout_is_a_number_of_seconds_or_left_out(value, seconds):
    assert parse({"timeout": value}).timeout == seconds


@pytest.mark.parametrize("value", [0, -1, 601, "x", "60 s", "nan", "inf", [], {}, True, 10**400])
def test_a_timeout_that_cannot_be_used_is_a_fault(value):
    text = faults({"timeout": value})
    assert "extra 'timeout' is " in text
    assert "enter seconds above 0, at most 600, or leave it out" in text


@pytest.mark.parametrize(
    "value",
    ["openid,AdobeID", " openid,AdobeID ", ["openid", "AdobeID"], [" openid ", "", "AdobeID"], ["openid,AdobeID"]],
)
def test_scopes_are_text_with_commas_or_a_list(value):
    assert parse({"scopes": value}).scopes == "openid,AdobeID"


@pytest.mark.parametrize("value", ["", None, []])
def test_scopes_left_empty_are_the_usual_ones(value):
    assert parse({"scopes": value}).scopes == DEFAULT_SCOPES


@pytest.mark.parametrize("value", [{"openid": True}, ["openid", 7], 7, True])
def test_scopes_that_cannot_be_read_are_a_fault(value):
    assert "extra 'scopes' is neither a string nor a list of strings" in faults({"scopes": value})


def test_a_fault_of_the_identity_service_shows_its_own_address():
    text = faults({"ims_url": "https://ims-na1.adobelogin.com/ims/token/v3"})
    assert f"extra 'ims_url' must contain only scheme, host and port, such as {DEFAULT_IMS_URL}" in text
    assert f"extra 'ims_url' is not a valid web address: enter one such as {DEFAULT_IMS_URL}" in faults(
        {"ims_url": "ims"}
    )


@pytest.mark.parametrize("value", ["acme", "@acme", " @acme ", "@ acme"])
def test_a_tenant_may_be_copied_with_its_at_sign(value):
    assert parse({"tenant": value}).tenant == "acme"


@pytest.mark.parametrize(
    ("extra", "verify"),
    [
        ({}, True),
        ({"verify": True}, True),
        ({"verify": "true"}, True),
        ({"verify": ""}, True),
        ({"verify": False}, False),
        ({"verify": "False"}, False),
        ({"verify": "/ca.pem"}, "/ca.pem"),
        ({"verify": "off"}, False),
    ],
)
def test_verification_is_on_unless_switched_off(extra, verify):
    assert parse(extra).verify == verify


@pytest.mark.parametrize(
    ("extra", "proxies"),
    [
        ({"proxies": "http://p:1"}, {"http": "http://p:1", "https": "http://p:1"}),
        ({"proxies": "p:1"}, {"http": "http://p:1", "https": "http://p:1"}),
        ({"proxies": '{"https": "http://p:1"}'}, {"https": "http://p:1"}),
        ({"proxies": {"https": "http://p:1", "http": None}}, {"https": "http://p:1"}),
        ({"proxies": {"https": "http://p:1"}}, {"https": "http://p:1"}),
        ({"proxies": ""}, {}),
    ],
)
def test_proxies(extra, proxies):
    assert parse(extra).proxies == proxies


def test_headers_are_the_four_that_aep_wants():
    assert parse().headers("tok") == {
        "Authorization": "Bearer tok",
        "x-api-key": "client-1",
        "x-gw-ims-org-id": "ORG@AdobeOrg",
        "x-sandbox-name": "prod",
    }


# -- null, empty, blank and absent mean the default; what cannot be read is a fault

SET = {
    "org_id": "ORG@AdobeOrg",
    "sandbox_name": "dev",
    "scopes": "openid",
    "ims_url": "https://ims.example",
    "access_token": "tok",
    "tenant": "acme",
    "timeout": 30,
    "verify": "/ca.pem",
    "cert": "/c.pem",
    "proxies": {"https": "http://p:1"},
    "trust_env": False,
    "allow_http": True,
}
EVERY_OPTION = pytest.mark.parametrize("option", SET)
ABSENT = object()
BLANK = pytest.mark.parametrize(
    "value", [ABSENT, None, "", " ", "\t\n"], ids=["absent", "null", "empty", "blank", "tab"]
)
WRONG = {"list": [], "nested list": [["x"]], "float": 0.5, "list of numbers": [0.0], "list of nulls": [None]}
NOT_WRONG = {("scopes", "list"), ("timeout", "float")}


def in_json(monkeypatch, extra):
    return read_from_environment(monkeypatch, json.dumps({**BASE, "extra": extra}))


def in_json_text(monkeypatch, extra):
    return read_from_environment(monkeypatch, json.dumps({**BASE, "extra": json.dumps(extra)}))


def in_uri(monkeypatch, extra):
    """Write plain parameters, where each value is text; null is written as nothing."""
    texts = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in extra.items() if value is not None
    }
    return read_from_environment(monkeypatch, f"adobe-experience-platform://client-1:p8e-secret@/?{urlencode(texts)}")


def in_uri_of_airflow(monkeypatch, extra):
    return read_from_environment(monkeypatch, Connection(conn_id="x", extra=json.dumps(extra), **BASE).get_uri())


def in_dict(_, extra):
    return AepConnection.parse(Connection(conn_id="aep_test", extra=json.dumps(extra), **BASE))


EVERY_WAY = pytest.mark.parametrize("read", [in_json, in_json_text, in_uri, in_uri_of_airflow, in_dict])


def with_value(option, value):
    """Return an extra in which an option has a value, or none; `org_id` alone has to be there."""
    extra = {"org_id": "ORG@AdobeOrg", option: value}
    return {key: item for key, item in extra.items() if item is not ABSENT}


@EVERY_OPTION
@EVERY_WAY
@BLANK
def test_what_is_left_empty_means_the_default(monkeypatch, option, read, value):
    """Case 1: the form sends null for every field that nobody touched, and that switched TLS verification off."""
    if option == "org_id":
        with pytest.raises(AepConnectionConfigError, match="'org_id' is missing"):
            read(monkeypatch, with_value(option, value))
    else:
        found = read(monkeypatch, with_value(option, value))
        assert found == in_dict(monkeypatch, {"org_id": "ORG@AdobeOrg"})
        assert found.verify is True


@EVERY_OPTION
@EVERY_WAY
def test_what_is_set_is_read_in_every_way(monkeypatch, option, read):
    if option == "org_id":
        return
    found = read(monkeypatch, with_value(option, SET[option]))
    if option != "allow_http":
        assert found != in_dict(monkeypatch, {"org_id": "ORG@AdobeOrg"})
    assert found == in_dict(monkeypatch, with_value(option, SET[option]))


@EVERY_OPTION
@pytest.mark.parametrize("kind", [*WRONG, "object", "true", "0.0"])
def test_a_value_of_the_wrong_type_is_a_fault_that_does_not_show_it(monkeypatch, option, kind):
    value = {**WRONG, "object": {"secret-key": "secret-value"}, "true": True, "0.0": 0.0}[kind]
    if (option, kind) in NOT_WRONG or (kind == "true" and option in ("verify", "trust_env", "allow_http")):
        return
    text = faults({option: value})
    assert f"{option!r} is " in text
    assert "secret-" not in text or option == "timeout"


@pytest.mark.parametrize("option", ["verify", "trust_env", "allow_http"])
@pytest.mark.parametrize("word", ["false", "False", " FALSE ", "no", "off", "0", "true", "Yes", "on", "1", True, False])
def test_plain_words_switch(option, word):
    expected = word if isinstance(word, bool) else word.strip().lower() in ("true", "yes", "on", "1")
    host = {"host": "http://aep.example"} if option == "allow_http" else {}
    if option == "allow_http" and not expected:
        assert "uses http" in faults({option: word}, **host)
    else:
        assert getattr(parse({option: word}, **host), option, True) is expected


@pytest.mark.parametrize("value", [[], {}, 0.0, 0, 1, ["false"], {"verify": False}])
def test_only_false_and_plain_words_for_it_switch_verification_off(value):
    assert "extra 'verify' is neither true nor false nor text" in faults({"verify": value})


@pytest.mark.parametrize("field", ["host", "schema", "login", "password", "port"])
@pytest.mark.parametrize("value", [None, "", " ", 0])
def test_standard_fields_left_empty(field, value):
    if (field == "port") == isinstance(value, str) or (value == 0 and field != "port" and value is not None):
        return
    changes = {} if value is None and field == "port" else {field: value}
    if field in ("login", "password"):
        assert f"{field.title()} is empty" in faults(**changes)
    else:
        assert parse(**changes) == parse()


@pytest.mark.parametrize("text", ["[]", "7", '"text"', "true", "{", "nonsense", "[" * 100_000, '{"a": 1}x'])
def test_an_extra_that_is_no_object_is_a_fault(text):
    made = SimpleNamespace(**BASE, conn_id="x", host=None, schema=None, port=None, extra=text)
    with pytest.raises(AepConnectionConfigError, match="Extra is not a JSON object"):
        AepConnection.parse(made)


@pytest.mark.parametrize("text", [None, "", " ", "null", "{}"])
def test_an_extra_that_is_not_there_lacks_the_organization_only(text):
    made = SimpleNamespace(**BASE, conn_id="x", host=None, schema=None, port=None, extra=text)
    with pytest.raises(AepConnectionConfigError) as caught:
        AepConnection.parse(made)
    assert str(caught.value).count("\n") == 1
    assert "'org_id' is missing" in str(caught.value)


@pytest.mark.parametrize(
    "proxies",
    [
        "socks5://p:1",
        "ftp://p",
        "http://",
        "http://p:x",
        "two words",
        {"no_proxy": "x"},
        {"https": 7},
        {"https": False},
        "{]",
    ],
)
def test_proxies_that_cannot_be_used_are_a_fault(proxies):
    assert "extra 'proxies' is not usable" in faults({"proxies": proxies}) or "not a JSON object" in faults(
        {"proxies": proxies}
    )


@pytest.mark.parametrize("cert", ["/c.pem", ["/c.pem"], ["/c.pem", "/k.pem"]])
def test_a_client_certificate_is_a_path_or_two(cert):
    assert parse({"cert": cert}).cert == (tuple(cert) if len(cert) == 2 else "/c.pem")


@pytest.mark.parametrize("cert", [["", "/k"], ["/c", None], ["/a", "/b", "/c"], {"a": "b"}])
def test_another_form_of_a_client_certificate_is_a_fault(cert):
    assert "extra 'cert' is not a path" in faults({"cert": cert})


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.255.0.9",
        "::1",
        "localhost",
        "LocalHost.",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "017700000001",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "0:0:0:0:0:0:0:1",
    ],
)
def test_loopback_in_every_form(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "128.0.0.1", "localhost.evil.example", "127.0.0.1.evil.example", "::ffff:10.0.0.1", "evil.localhost", "2"],
)
def test_what_is_not_loopback(host):
    assert not is_loopback(host)


def test_the_proxies_passwords_are_secrets_too():
    read = parse({"access_token": "tok", "proxies": {"https": "http://user:proxypw@proxy"}})
    assert read.secrets == ("p8e-secret", "tok", "proxypw")


def test_a_proxys_password_is_a_secret_as_it_is_sent_too():
    read = parse({"proxies": {"https": "http://user:proxy%40pw@proxy"}})
    assert read.secrets == ("p8e-secret", "proxy%40pw", "proxy@pw")


# -- the forms in which Airflow keeps connections


def read_from_environment(monkeypatch, value):
    monkeypatch.setenv("AIRFLOW_CONN_AEP_TEST", value)
    found = Connection.get("aep_test")
    return AepConnection.parse(found)


@pytest.mark.parametrize("extra_as", [dict, json.dumps], ids=["object", "text"])
def test_json_form(monkeypatch, extra_as):
    value = {
        "conn_type": CONN_TYPE,
        "host": "http://127.0.0.1:8090",
        "login": "client-1",
        "password": "p8e/secret+=",
        "extra": extra_as({"org_id": "ORG@AdobeOrg", "ims_url": "http://127.0.0.1:8090"}),
    }
    read = read_from_environment(monkeypatch, json.dumps(value))
    assert (read.base_url, read.ims_url) == ("http://127.0.0.1:8090", "http://127.0.0.1:8090")
    assert (read.client_id, read.client_secret, read.org_id) == ("client-1", "p8e/secret+=", "ORG@AdobeOrg")


def test_uri_form_with_plain_parameters(monkeypatch):
    secret, org = quote("p8e/secret+=", safe=""), quote("ORG@AdobeOrg", safe="")
    uri = f"adobe-experience-platform://client-1:{secret}@platform.adobe.io/?org_id={org}&sandbox_name=dev"
    read = read_from_environment(monkeypatch, uri)
    assert (read.base_url, read.sandbox_name) == ("https://platform.adobe.io", "dev")
    assert (read.client_id, read.client_secret, read.org_id) == ("client-1", "p8e/secret+=", "ORG@AdobeOrg")


def test_uri_form_with_scheme_and_port(monkeypatch):
    org = quote("ORG@AdobeOrg", safe="")
    uri = f"adobe-experience-platform://client-1:s@127.0.0.1:8090/http?org_id={org}"
    assert read_from_environment(monkeypatch, uri).base_url == "http://127.0.0.1:8090"


def test_the_uri_that_airflow_itself_writes(monkeypatch):
    made = connection({"sandbox_name": "dev"}, host="http://127.0.0.1", port=8090)
    read = read_from_environment(monkeypatch, made.get_uri())
    assert read.base_url == "http://127.0.0.1:8090"
    assert (read.client_id, read.client_secret) == ("client-1", "p8e-secret")
    assert (read.org_id, read.sandbox_name) == ("ORG@AdobeOrg", "dev")
