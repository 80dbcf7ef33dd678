"""An id stays where it belongs in a URL, whatever it holds; seen at the socket, with both hooks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from adobe_experience_platform.aep import endpoints
from adobe_experience_platform.aep.flows import destination_url
from adobe_experience_platform.errors import AepInputError, AepNotFoundError
from tests.promises.hostile.material import NASTY_TEXTS
from tests.support.hooks import Async, Sync
from tests.support.sockets import tiny_server

IDS = [text for text in NASTY_TEXTS if len(text) < 1_000]
Ask = Callable[[Any], str]


@pytest.fixture(params=[Sync, Async], ids=["worker", "triggerer"])
def ask(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Return a function that carries out a call and returns the target of its request, as the server saw it."""
    with tiny_server() as (url, seen):
        extra = {"org_id": "ORG@AdobeOrg", "access_token": "given"}
        connection = {"conn_type": "adobe_experience_platform", "host": url, "login": "client-1", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AEP_TEST", json.dumps(connection))
        hook = request.param()

        def carry_out(call: Any) -> str:
            seen.clear()
            hook.call(call)
            (only,) = seen
            return str(only[1])

        def target_of(call: Any) -> str:
            try:
                return carry_out(call)
            except AepNotFoundError:  # the server knows nothing, also when it is asked once more
                (only,) = {str(request[1]) for request in seen}
                return only

        yield target_of
        hook.close()


def readable(ident: str) -> str:
    """Return an id as it can be sent at all."""
    return ident.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("ident", IDS, ids=ascii)
@pytest.mark.parametrize(("make", "base"), [(endpoints.flow, endpoints.FLOWS), (endpoints.run, endpoints.RUNS)])
def test_an_id_is_one_segment_of_a_path(make: Any, base: str, ident: str, ask: Ask) -> None:
    if ident in ("", ".", ".."):
        with pytest.raises(AepInputError):
            ask(make(ident))
        return
    target = ask(make(ident))
    assert target.isascii()
    assert target.isprintable()
    path, _, query = target.partition("?")
    assert query == ""
    folder, _, name = path.rpartition("/")
    assert folder == base
    assert unquote(name) == readable(ident)


@pytest.mark.parametrize("ident", [ident for ident in IDS if ident != "\ud800"], ids=ascii)
def test_an_id_is_one_value_of_a_query(ident: str, ask: Ask) -> None:
    target = ask(endpoints.runs_of_flow(ident, lambda _: True))
    assert target.isascii()
    assert target.isprintable()
    parts = urlsplit(target)
    assert parts.path == endpoints.RUNS
    expected = [("property", f"flowId=={ident}"), ("orderby", "-createdAt"), ("limit", "100")]
    assert parse_qsl(parts.query, strict_parsing=True) == expected


@pytest.mark.parametrize("ident", [ident for ident in IDS if ident not in ("", "\ud800")], ids=ascii)
def test_a_link_leads_into_aeps_interface_and_nowhere_else(ident: str) -> None:
    url = destination_url(ident, ident, ident)
    assert url.startswith("https://experience.adobe.com/#/@")
    assert url.isascii()
    assert url.isprintable()
    assert [unquote(part) for part in url.split("/")[4:]] == [
        f"@{ident}",
        f"sname:{ident}",
        "platform",
        "destination",
        "browse",
        ident,
    ]
