"""Both hooks over real sockets: what AEP received is what counts."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from contextlib import nullcontext

import pytest
from airflow.sdk import BaseHook

from adobe_experience_platform.aep import auth, endpoints, transport
from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.errors import (
    AepAuthError,
    AepConflictError,
    AepConnectionConfigError,
    AepError,
    AepLostAnswerError,
    AepNotFoundError,
    AepRequestError,
    AepTransientError,
)
from adobe_experience_platform.hooks import sync_hook
from adobe_experience_platform.hooks.async_hook import AdobeExperiencePlatformAsyncHook
from adobe_experience_platform.hooks.http_hook import AdobeExperiencePlatformHook
from adobe_experience_platform.hooks.sync_hook import WorkerHook
from include.aep_simulator.faults import FaultSpec
from include.aep_simulator.seed import SeedDocument
from include.aep_simulator.server import running
from include.aep_simulator.simulator import Simulator
from tests.support.hooks import Async, Sync
from tests.support.sockets import closed_port, tiny_server

RUNS, FLOWS, JOBS, ADHOC = endpoints.RUNS, endpoints.FLOWS, endpoints.EXPORT_JOBS, endpoints.ADHOC_RUN
SECRETS = ("first-secret-p8e", "second-secret-p8e")
SEED = SeedDocument.model_validate(
    {
        "org_id": "ORG@AdobeOrg",
        "settings": {"daily_export": False, "run_variation": 0, "speed": 1},
        "credentials": [{"client_id": "client-1", "client_secrets": list(SECRETS), "access_tokens": ["given-token"]}],
        "sandboxes": [{"name": "prod"}, {"name": "dev"}],
        "audiences": [
            {"id": "gold", "name": "Gold"},
            {"id": "silver", "name": "Silver"},
            {"id": "test", "name": "Test", "sandbox": "dev"},
        ],
        "flows": [
            {"id": "mail", "name": "Mail", "audiences": ["gold", "silver"]},
            {"id": "dev-flow", "name": "Dev", "sandbox": "dev", "audiences": ["test"]},
        ],
        "export_jobs": [{"id": 722, "age": "3h"}],
    }
)


class Aep:
    """The simulated AEP, seen from behind."""

    def __init__(self, simulator, url):
        self.simulator, self.url = simulator, url

    def fault(self, kind, path="*", **more):
        self.simulator.faults.add(FaultSpec(kind=kind, path=path, **more))

    def settings(self, **changes):
        self.simulator.world.settings = self.simulator.world.settings.changed(changes)

    def requests(self, path="/data/*"):
        return self.simulator.journal.all(path=path)

    @property
    def minted(self):
        return self.simulator.world.tokens.minted

    def expire_tokens(self):
        self.simulator.world.tokens.expire()


@pytest.fixture(scope="module")
def server():
    simulator = Simulator(SEED)
    with running(simulator) as url:
        yield simulator, url


@pytest.fixture
def aep(server, monkeypatch):
    """AEP afresh, and no long pauses."""
    server[0].reset(SEED)
    monkeypatch.setattr(transport, "backoff", lambda _: 0.01)
    return Aep(*server)


@pytest.fixture
def connect(aep, monkeypatch):
    """Return a function that writes the Airflow connection ``aep_test``."""

    def write(extra=None, **changes):
        value = {
            "conn_type": "adobe_experience_platform",
            "host": aep.url,
            "login": "client-1",
            "password": SECRETS[0],
            "extra": {"org_id": "ORG@AdobeOrg", "ims_url": aep.url, **(extra or {})},
            **changes,
        }
        monkeypatch.setenv("AIRFLOW_CONN_AEP_TEST", json.dumps(value))

    write()
    return write


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def make(request, connect):
    """Return a function that makes a hook of one kind."""
    made = []

    def new(*args, **kwargs):
        made.append(request.param(*args, **kwargs))
        return made[-1]

    yield new
    for item in made:
        item.close()


@pytest.fixture
def hook(make):
    return make()


def export_jobs():
    return endpoints.profile_export_jobs(dt.datetime.now(tz=dt.UTC))


def activate(*audiences, export_id=None):
    return endpoints.activate([Pair("mail", audience) for audience in audiences or ("gold",)], export_id=export_id)


# -- what every request carries

OURS = {"authorization", "x-api-key", "x-gw-ims-org-id", "x-sandbox-name", "accept", "content-type"}
HTTPS_OWN = {"host", "user-agent", "accept-encoding", "connection", "content-length"}


def test_every_request_carries_the_four_headers_and_no_others(aep, connect, make):
    connect({"x-sandbox-id": "5", "x-evil": "1", "Authorization": "Basic abc", "tenant": "acme", "headers": {"a": "b"}})
    hook = make()
    hook.call(export_jobs())
    hook.call(endpoints.destination_flows())
    (order,) = hook.call(activate())
    hook.call(endpoints.run(order.run_id))
    requests = aep.requests()
    assert len(requests) == 4
    for request in requests:
        assert request.status == 200
        assert set(request.headers) <= OURS | HTTPS_OWN
        assert request.headers["authorization"] == "Bearer token#1"
        assert request.headers["x-api-key"] == "client-1"
        assert request.headers["x-gw-ims-org-id"] == "ORG@AdobeOrg"
        assert request.headers["x-sandbox-name"] == "prod"


def test_minting_sends_the_secret_in_the_body_and_no_other_credential(aep, hook):
    hook.call(export_jobs())
    (request,) = aep.requests("/ims/*")
    assert (request.method, request.query) == ("POST", [])
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in request.headers
    assert "x-api-key" not in request.headers
    assert request.status == 200


@pytest.mark.parametrize(
    ("in_connection", "in_run", "sent"), [(None, None, "prod"), ("dev", None, "dev"), ("prod", "dev", "dev")]
)
def test_the_sandbox_is_the_runs_or_the_connections(aep, connect, make, in_connection, in_run, sent):
    connect({"sandbox_name": in_connection} if in_connection else {})
    flows = make(in_run).call(endpoints.destination_flows())
    assert aep.requests()[-1].headers["x-sandbox-name"] == sent
    assert [flow.id for flow in flows] == [{"prod": "mail", "dev": "dev-flow"}[sent]]


def test_version_2_as_aep_receives_it(aep, hook):
    orders = hook.call(activate("gold", "silver"))
    (request,) = aep.requests(ADHOC)
    assert request.headers["accept"] == "application/vnd.adobe.adhoc.activation+json; version=2"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {"activationInfo": {"mail": ["gold", "silver"]}}
    assert [(order.flow_id, order.audience_id) for order in orders] == [("mail", "gold"), ("mail", "silver")]


def test_version_1_as_aep_receives_it(aep, hook):
    hook.call(activate("gold", export_id="722"))
    (request,) = aep.requests(ADHOC)
    assert request.headers["accept"] == "*/*"
    assert request.json == {"activationInfo": {"mail": ["gold"]}, "exportIds": ["722"]}


def test_filters_arrive_as_they_were_meant(aep, hook):
    (order,) = hook.call(activate())
    assert set(hook.call(endpoints.runs_by_id([order.run_id, "x+y"]))) == {order.run_id}
    assert aep.requests(RUNS)[-1].query == [["property", f"id=={order.run_id},x+y"], ["limit", "100"]]


# -- the token


def test_one_token_serves_all_hooks_of_a_process(aep, connect):
    hooks = [Sync(), Async(), Sync("dev"), Async()]
    for hook in hooks:
        hook.call(endpoints.destination_flows())
        hook.close()
    assert aep.minted == 1


def test_many_at_once_mint_once(aep, hook):
    aep.fault("delay", "/ims/*", delay=0.2)
    hook.call_together(*(export_jobs() for _ in range(8)))
    assert aep.minted == 1
    assert len(aep.requests()) == 8


def test_a_token_that_ends_midway_is_renewed_exactly_once(aep, hook):
    hook.call(export_jobs())
    aep.expire_tokens()
    hook.call(export_jobs())
    assert [(request.status, request.headers["authorization"]) for request in aep.requests()] == [
        (200, "Bearer token#1"),
        (401, "Bearer token#1"),
        (200, "Bearer token#2"),
    ]
    assert aep.minted == 2


def test_many_whose_token_ends_at_once_renew_it_once(aep, hook):
    hook.call(export_jobs())
    aep.expire_tokens()
    hook.call_together(*(export_jobs() for _ in range(6)))
    assert aep.minted == 2


def test_an_activation_whose_token_has_ended_is_carried_out_once(aep, hook):
    hook.call(export_jobs())
    aep.expire_tokens()
    hook.call(activate())
    assert [(request.status, request.effect) for request in aep.requests(ADHOC)] == [(401, False), (200, True)]


def test_a_token_that_is_always_refused_ends_in_an_error(aep, hook):
    aep.fault("expired_token", RUNS + "/*", times=None)
    with pytest.raises(AepAuthError, match="401013"):
        hook.call(endpoints.run("r"))
    assert aep.minted == 2


def test_a_given_token_is_used_and_none_is_minted(aep, connect, make):
    connect({"access_token": "given-token"}, password="")
    make().call(export_jobs())
    assert aep.minted == 0
    assert aep.requests()[0].headers["authorization"] == "Bearer token#given-1"


def test_a_rotated_secret_takes_effect_where_a_hook_lives_long(aep, connect, make):
    hook = make()
    hook.call(export_jobs())
    tokens = aep.simulator.world.tokens
    (credential,) = tokens.credentials.values()
    tokens.credentials["client-1"] = type(credential)("client-1", (SECRETS[1],), credential.scopes, None)
    tokens.expire()
    connect(password=SECRETS[1])
    hook.call(export_jobs())
    hook.call(export_jobs())
    assert aep.minted == 2


def test_calls_that_begin_together_read_the_connection_once(aep, connect, monkeypatch):
    """A task's channel to its supervisor does not bear several readings in each of two event loops."""
    read = 0
    usual = BaseHook.aget_connection

    async def counted(conn_id):
        nonlocal read
        read += 1
        await asyncio.sleep(0)
        return await usual(conn_id)

    monkeypatch.setattr(BaseHook, "aget_connection", counted)

    async def together():
        async with AdobeExperiencePlatformAsyncHook("aep_test") as hook:
            await asyncio.gather(*(hook.settings() for _ in range(5)))

    asyncio.run(together())
    assert read == 1


def test_two_secrets_are_valid_while_one_is_replaced(aep, connect, make):
    """The order of docs/operations.md: no call fails, whichever secret a process still knows."""
    old = make()
    old.call(export_jobs())
    connect(password=SECRETS[1])
    new = make()
    new.call(export_jobs())
    old.call(export_jobs())
    aep.expire_tokens()
    old.call(export_jobs())
    new.call(export_jobs())
    assert {exchange.status for exchange in aep.requests("/ims/*")} == {200}


@pytest.mark.parametrize("wrong", [{"password": "wrong-secret-p8e"}, {"login": "nobody"}])
def test_a_wrong_credential_says_so_at_once(aep, connect, make, wrong):
    connect(**wrong)
    with pytest.raises(AepAuthError, match=r"invalid_client.*check Login") as caught:
        make().call(export_jobs())
    assert "wrong-secret" not in str(caught.value)
    assert len(aep.requests("/ims/*")) == 1
    assert not aep.requests()


# -- trouble

TROUBLE = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "html", "status": 502},
    {"kind": "html", "status": 200},
    {"kind": "empty"},
    {"kind": "body", "body": "[]"},
    {"kind": "truncate"},
    {"kind": "close_before"},
    {"kind": "close_after"},
]


@pytest.mark.parametrize("fault", TROUBLE, ids=lambda fault: "-".join(str(item) for item in fault.values()))
@pytest.mark.parametrize("path", [JOBS, "/ims/*"])
def test_reading_survives_trouble(aep, hook, fault, path):
    aep.fault(path=path, times=2, **fault)
    assert [job.id for job in hook.call(export_jobs())] == ["722"]
    assert len(aep.requests(path)) == 3


def test_reading_gives_up_in_the_end(aep, hook):
    aep.fault("html", JOBS, times=None)
    with pytest.raises(AepTransientError, match="502"):
        hook.call(export_jobs())
    assert len(aep.requests(JOBS)) == transport.ATTEMPTS


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        ({"status": 429, "headers": {"Retry-After": "1"}}, 1.0),
        ({"status": 429}, 0.5),
    ],
    ids=["Retry-After", "retryAfterMs"],
)
def test_the_pause_that_aep_asks_for_is_kept(aep, hook, fault, pause):
    aep.fault("status", JOBS, **fault)
    hook.call(export_jobs())
    first, second = aep.requests(JOBS)
    assert pause <= second.at - first.at < pause + 1


def test_a_long_pause_is_handed_on(aep, hook):
    aep.fault("status", JOBS, status=429, headers={"Retry-After": "600"})
    with pytest.raises(AepTransientError) as caught:
        hook.call(export_jobs())
    assert caught.value.retry_after == 600
    assert len(aep.requests(JOBS)) == 1


@pytest.mark.parametrize(("seconds", "handed_on"), [(60, []), (61, [61.0])])
def test_only_a_pause_that_no_call_waits_for_is_handed_on_to_the_task(aep, connect, seconds, handed_on):
    given = []
    hook = WorkerHook("aep_test")
    hook.attempts = 1
    hook.on_long_pause = given.append
    aep.fault("status", JOBS, status=429, headers={"Retry-After": str(seconds)})
    with pytest.raises(AepTransientError):
        hook.call(export_jobs())
    assert given == handed_on


def test_no_answer_in_time_is_an_error(aep, connect, make, monkeypatch):
    monkeypatch.setattr(transport, "ATTEMPTS", 2)
    connect({"timeout": 0.3})
    hook = make()
    aep.fault("wait_release", JOBS, times=None)
    with pytest.raises(AepTransientError, match=r"no response within 0\.3 s"):
        hook.call(export_jobs())
    assert len(aep.requests(JOBS)) == 2


def test_an_answer_without_end_is_cut_off(aep, hook, monkeypatch):
    monkeypatch.setattr(transport, "MAX_BODY", 10_000)
    aep.fault("body", JOBS, body=json.dumps({"records": ["x" * 20_000]}), times=None)
    with pytest.raises(AepTransientError, match="larger than 10000 bytes"):
        hook.call(export_jobs())


@pytest.mark.parametrize("what", ["host", "ims_url"])
def test_nobody_there_says_who_was_called(connect, make, what):
    url = f"http://127.0.0.1:{closed_port()}"
    connect(**({"host": url} if what == "host" else {"extra": {"ims_url": url}}))
    with pytest.raises(AepTransientError, match=f"connection refused or host not found.*{url}"):
        make().call(export_jobs())


def test_an_unknown_thing_is_not_found(aep, hook):
    with pytest.raises(AepNotFoundError, match="flows not found"):
        hook.call(endpoints.flow("nothing"))
    assert len(aep.requests(FLOWS + "/*")) == 1


# -- the activation over a socket


@pytest.mark.parametrize(
    ("fault", "effect"),
    [
        ({"kind": "close_before"}, False),
        ({"kind": "close_after"}, True),
        ({"kind": "truncate"}, True),
        ({"kind": "html", "effect": True}, True),
        ({"kind": "status", "status": 429}, False),
        ({"kind": "status", "status": 504, "effect": True}, True),
        ({"kind": "empty", "effect": True}, True),
        ({"kind": "redirect", "status": 307, "location": ADHOC}, False),
    ],
)
def test_an_activation_with_an_unknown_outcome_is_sent_once(aep, hook, fault, effect):
    aep.fault(path=ADHOC, times=None, **fault)
    with pytest.raises(AepLostAnswerError):
        hook.call(activate())
    assert [request.effect for request in aep.requests(ADHOC)] == [effect]


def test_an_activation_without_an_answer_in_time_is_sent_once(aep, connect, make):
    connect({"timeout": 0.3})
    hook = make()
    aep.fault("delay", ADHOC, delay=1, effect=True)
    with pytest.raises(AepLostAnswerError, match="no response within"):
        hook.call(activate())
    assert len(aep.requests(ADHOC)) == 1


def test_an_activation_that_never_left_is_not_lost(connect, make):
    auth.keep(Sync().hook.settings, auth.Token("tok", float("inf")))
    connect(host=f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(AepTransientError, match="connection refused"):
        make().call(activate())


def test_a_run_in_progress_is_named(hook):
    (order,) = hook.call(activate())
    with pytest.raises(AepConflictError) as caught:
        hook.call(activate())
    assert caught.value.conflict == ("mail", "gold", order.run_id)


# -- where the token may go


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(aep, hook, status):
    with tiny_server() as (url, seen):
        aep.fault("redirect", FLOWS, status=status, location=f"{url}/flows")
        with pytest.raises(AepRequestError, match="redirect to another host"):
            hook.call(endpoints.destination_flows())
        aep.fault("redirect", "/ims/*", location=f"{url}/ims/token/v3")
        auth.forget_all()
        with pytest.raises(AepAuthError):
            hook.call(endpoints.destination_flows())
    assert seen == []


def test_a_redirect_on_the_same_host_is_followed(aep, hook):
    aep.fault("redirect", JOBS, status=307, location=f"{JOBS}?limit=7")
    hook.call(export_jobs())
    assert [request.query for request in aep.requests(JOBS)] == [[["limit", "100"]], [["limit", "7"]]]


def test_a_status_url_gives_a_run_id_never_a_host(aep, hook):
    with tiny_server() as (url, seen):
        aep.settings(status_url_base=url)
        (order,) = hook.call(activate())
        assert hook.call(endpoints.run(order.run_id)).id == order.run_id
    assert seen == []
    assert aep.requests(RUNS + "/*")[-1].status == 200


def test_a_next_link_gives_a_cursor_never_a_host(aep, hook):
    with tiny_server() as (url, seen):
        link = {"next": {"href": f"{url}/runs?continuationToken=tok"}}
        aep.fault("body", RUNS, body={"items": [{"id": "r2", "flowId": "mail"}], "_links": link})
        aep.fault("body", RUNS, body={"items": [{"id": "r1", "flowId": "mail"}], "_links": {}})
        runs = hook.call(endpoints.runs_of_flow("mail", lambda _: False))
    assert {run.id for run in runs} == {"r1", "r2"}
    assert seen == []
    assert ["continuationToken", "tok"] in aep.requests(RUNS)[-1].query


def test_credentials_of_a_netrc_file_are_not_used(aep, hook, monkeypatch, tmp_path):
    """An entry for AEP's or any host would be sent to IMS, and collide with the bearer token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login anybody password any\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert hook.call(export_jobs())
    assert "authorization" not in aep.requests("/ims/*")[0].headers
    assert aep.requests()[0].headers["authorization"] == "Bearer token#1"


@pytest.mark.parametrize("trust", [True, False])
def test_a_proxy_of_the_environment_is_used_if_it_is_trusted(aep, connect, make, monkeypatch, trust):
    auth.keep(Sync().hook.settings, auth.Token("tok", float("inf")))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transport, "ATTEMPTS", 1)
    with tiny_server() as (url, seen):
        monkeypatch.setenv("http_proxy", url)
        connect({"trust_env": trust, "access_token": "given-token", "allow_http": True}, host="http://aep.invalid")
        with nullcontext() if trust else pytest.raises(AepTransientError, match="host not found"):
            make().call(endpoints.destination_flows())
    assert [path.partition("?")[0] for _, path, _ in seen] == (["http://aep.invalid" + FLOWS] if trust else [])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.9.8.7",
        "localhost",
        "LOCALHOST.",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ],
)
def test_loopback_never_goes_through_a_proxy_of_the_environment(connect, make, monkeypatch, host):
    """Case 10: secret and token would go to the proxy in clear."""
    monkeypatch.setattr(transport, "ATTEMPTS", 1)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with tiny_server() as (proxy, seen):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        connect({"access_token": "given-token"}, host=f"http://{host}:{closed_port()}")
        with pytest.raises(AepTransientError, match="failed"):
            make().call(endpoints.destination_flows())
    assert seen == []


def test_a_host_that_the_environment_exempts_needs_no_proxy(aep, hook, monkeypatch):
    with tiny_server() as (url, seen):
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        hook.call(export_jobs())
    assert seen == []


def test_a_proxy_of_the_connection_wins_over_the_environments(aep, connect, make, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with tiny_server() as (url, seen):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
        connect({"proxies": {"http": url}, "access_token": "given-token"})
        make().call(endpoints.destination_flows())
    assert [path.partition("?")[0] for _, path, _ in seen] == [aep.url + FLOWS]


# -- the connection


def test_another_systems_connection_is_refused_before_anything_is_sent(aep, connect, make):
    connect(conn_type="http")
    with pytest.raises(AepConnectionConfigError):
        make().call(export_jobs())
    assert not aep.requests("*")


def test_a_connection_that_does_not_exist_is_an_error_of_ours(make, monkeypatch):
    with pytest.raises(AepError, match="nowhere"):
        make(conn_id="nowhere").call(export_jobs())


def test_a_hook_asks_for_its_connection_when_it_is_used_only():
    AdobeExperiencePlatformHook("nowhere")
    AdobeExperiencePlatformAsyncHook("nowhere")


# -- the form's Test button


def test_the_test_button_says_where_it_is_connected_to(connect):
    assert Sync().hook.test_connection() == (
        True,
        "Connected to sandbox 'prod' of ORG@AdobeOrg: 1 destination flow.",
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "wrong"}, "invalid client_secret"),
        ({"login": "nobody"}, "invalid client_id"),
        ({"extra": {"sandbox_name": "nowhere"}}, "sandbox not found: nowhere"),
        ({"extra": {"org_id": "OTHER@AdobeOrg"}}, "check extra 'org_id'"),
        ({"extra": {"access_token": "made-up"}}, "enter a new extra 'access_token'"),
        ({"conn_type": "http"}, "There is no connection 'aep_test'"),
        ({"login": "", "password": ""}, "Login is empty"),
        ({"host": "http://aep.example"}, "use https"),
    ],
)
def test_the_test_button_says_what_is_wrong(connect, changes, said):
    connect(**changes)
    worked, message = Sync().hook.test_connection()
    assert not worked
    assert said in message
    assert SECRETS[0] not in message


def test_the_test_button_survives_a_host_that_is_not_there(connect, monkeypatch):
    monkeypatch.setattr(transport, "ATTEMPTS", 1)
    connect(host=f"http://127.0.0.1:{closed_port()}")
    worked, message = Sync().hook.test_connection()
    assert not worked
    assert "connection refused" in message


# -- sessions


def test_a_closed_hook_may_be_used_again(aep, connect):
    hook = Async()
    hook.call(export_jobs())
    hook.runner.run(hook.hook.close())
    hook.call(export_jobs())
    hook.close()
    assert len(aep.requests(JOBS)) == 2


def test_an_async_hook_closes_its_session_at_the_end(connect):
    async def scene():
        async with AdobeExperiencePlatformAsyncHook("aep_test") as hook:
            await hook.call(export_jobs())
            session = hook._session
            assert session is not None
        return session.closed, hook._session

    assert asyncio.run(scene()) == (True, None)


def test_a_task_leaves_the_authorities_of_the_environment_to_requests(connect, monkeypatch):
    connect()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/bundle.pem")
    monkeypatch.setattr(sync_hook, "tls", lambda _: pytest.fail("reading them twice takes CPU in each task process"))

    AdobeExperiencePlatformHook("aep_test").get_conn().close()
