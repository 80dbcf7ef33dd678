"""The access token's life."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from adobe_experience_platform.aep import auth
from adobe_experience_platform.aep.answers import AnswerKind, AnswerReading
from adobe_experience_platform.errors import AepAuthError, AepTransientError
from tests.support.parts import settings


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that the test moves."""

    class Clock:
        now = 1_000_000.0

    monkeypatch.setattr(auth.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [
        (86399, 86399 - 500),
        ("86399", 86399 - 500),
        (86399.0, 86399 - 500),
        (86399992, 86399.992 - 500),
        ("86399992", 86399.992 - 500),
        (600, 300),
        (100, 50),
        (1000, 500),
        (0, 0),
        (None, 3600 - 500),
        ("soon", 3600 - 500),
        (-1, 3600 - 500),
        (True, 3600 - 500),
        (float("nan"), 3600 - 500),
        ("²", 3600 - 500),
    ],
)
def test_a_token_is_renewed_before_its_end(clock, expires_in, life):
    token = auth.read_token({"access_token": "tok", "expires_in": expires_in})
    assert token.renew_at == pytest.approx(clock.now + life)
    auth.keep(settings(), token)
    assert (auth.cached(settings()) == "tok") is (life > 0)
    clock.now += life + 0.001
    assert auth.cached(settings()) is None


@pytest.mark.parametrize("value", [None, "", "  ", "a b", "a\r\nX-Evil: 1", "tök", {}, []])
def test_what_is_no_token_is_not_used(value):
    with pytest.raises(AepTransientError, match="no access_token"):
        auth.read_token({"access_token": value, "expires_in": 1})


def test_a_token_is_cached_until_it_should_be_renewed(clock):
    connection = settings()
    assert auth.cached(connection) is None
    auth.keep(connection, auth.Token("tok", clock.now + 10))
    assert auth.cached(connection) == "tok"
    clock.now += 10
    assert auth.cached(connection) is None


def test_a_refused_token_is_not_used_again_but_a_newer_one_is(clock):
    connection = settings()
    auth.keep(connection, auth.Token("old", clock.now + 10))
    assert auth.cached(connection, refused="old") is None
    auth.keep(connection, auth.Token("new", clock.now + 10))
    assert auth.cached(connection, refused="old") == "new"


@pytest.mark.parametrize(
    "other",
    [
        {"client_secret": "rotated"},
        {"client_id": "client-2"},
        {"scopes": "openid"},
        {"ims_url": "https://ims.example"},
    ],
)
def test_another_credential_has_a_token_of_its_own(clock, other):
    auth.keep(settings(), auth.Token("tok", clock.now + 10))
    assert auth.cached(settings(**other)) is None


def test_sandboxes_share_a_token(clock):
    auth.keep(settings(), auth.Token("tok", clock.now + 10))
    assert auth.cached(settings(sandbox_name="dev")) == "tok"


def test_a_given_token_is_used_as_it_is_and_never_minted():
    connection = settings(access_token="given")
    assert auth.cached(connection) == "given"
    assert auth.cached(connection, refused="given") is None
    with pytest.raises(AepAuthError, match="enter a new extra 'access_token'"):
        auth.mint_body(connection)


def test_the_secret_goes_into_the_body():
    form = parse_qs(auth.mint_body(settings(client_secret="p8e/+= &x")).decode())
    assert form == {
        "grant_type": ["client_credentials"],
        "client_id": ["client-1"],
        "client_secret": ["p8e/+= &x"],
        "scope": ["openid,AdobeID"],
    }


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("invalid_client", "check Login"),
        ("invalid_scope", "extra 'scopes'"),
        ("invalid_scopes", "extra 'scopes'"),
        ("unauthorized_client", "Developer Console"),
    ],
)
@pytest.mark.parametrize("status", [400, 401])
def test_imss_error_word_decides_the_advice(code, advice, status):
    error = auth.refused(AnswerReading(AnswerKind.FINAL, status, code=code, text="invalid parameter"))
    assert isinstance(error, AepAuthError)
    assert not error.retriable
    assert advice in str(error)
    assert code in str(error)


def test_no_token_is_shown():
    assert "tok-1" not in repr(auth.Token("tok-1", 0.0))
