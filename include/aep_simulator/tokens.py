"""Credentials and the access tokens minted for them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from .seed import CredentialSeed


@dataclass(frozen=True, slots=True)
class Credential:
    """An OAuth Server-to-Server credential; it may have two secrets, so that they can be rotated."""

    client_id: str
    secrets: tuple[str, ...]
    scopes: tuple[str, ...]
    sandboxes: frozenset[str] | None


@dataclass(slots=True)
class IssuedToken:
    """An access token. ``label`` names it where the token itself must not appear."""

    value: str = field(repr=False)
    label: str
    credential: Credential
    expires_at: float | None


class TokenBook:
    """Mints tokens and knows which are valid."""

    def __init__(self, seeds: Iterable[CredentialSeed]) -> None:
        self.credentials: dict[str, Credential] = {}
        self.minted = 0
        self._tokens: dict[str, IssuedToken] = {}
        given = 0
        for seed in seeds:
            credential = Credential(
                client_id=seed.client_id,
                secrets=tuple(seed.client_secrets),
                scopes=tuple(seed.scopes),
                sandboxes=None if seed.sandboxes is None else frozenset(seed.sandboxes),
            )
            self.credentials[seed.client_id] = credential
            for value in seed.access_tokens:
                given += 1
                self._tokens[value] = IssuedToken(value, f"given-{given}", credential, None)

    @property
    def demo_account(self) -> Credential:
        """The first credential."""
        return next(iter(self.credentials.values()))

    def mint(self, credential: Credential, expires_at: float) -> IssuedToken:
        """Issue a token; earlier ones stay valid until they expire."""
        self.minted += 1
        token = IssuedToken(f"eyJ{secrets.token_urlsafe(48)}", str(self.minted), credential, expires_at)
        self._tokens[token.value] = token
        return token

    def find(self, value: str) -> IssuedToken | None:
        """Return a token, expired or not."""
        return self._tokens.get(value)

    def expire(self, value: str | None = None) -> int:
        """Expire one token, or all of them; return how many."""
        tokens = [t for t in self._tokens.values() if value in {None, t.value}]
        for token in tokens:
            token.expires_at = 0.0
        return len(tokens)
