"""IMS: the OAuth Server-to-Server token exchange (Adobe Developer Console documentation)."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .errors import ims_error
from .gateway import Endpoint
from .journal import exchange_of
from .simulator import Simulator


def token_endpoint(simulator: Simulator) -> Endpoint:
    """Return the endpoint ``POST /ims/token/v3``."""

    async def mint(request: Request) -> Response:
        body = await request.body()
        fields = dict(request.query_params)
        if body:
            media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type != "application/x-www-form-urlencoded":
                # Unconfirmed text; the content type is documented.
                raise ims_error("invalid_request", "content type must be application/x-www-form-urlencoded")
            fields |= dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        tokens, clock = simulator.world.tokens, simulator.world.clock
        # All four parameters are mandatory. The texts for the grant type and the scope are unconfirmed.
        if fields.get("grant_type") != "client_credentials":
            raise ims_error("unsupported_grant_type", "grant_type must be client_credentials")
        credential = tokens.credentials.get(fields.get("client_id", ""))
        if credential is None:
            raise ims_error("invalid_client", "invalid client_id parameter")
        if fields.get("client_secret") not in credential.secrets:
            raise ims_error("invalid_client", "invalid client_secret parameter")
        wanted = [scope.strip() for scope in fields.get("scope", "").split(",") if scope.strip()]
        if not wanted or (credential.scopes and not set(wanted) <= set(credential.scopes)):
            raise ims_error("invalid_scope", "invalid scope parameter")
        life = simulator.world.settings.token_seconds
        token = tokens.mint(credential, clock.seconds() + life)
        exchange_of(request).effect = True
        # Seconds; only the retired JWT exchange counted milliseconds.
        return JSONResponse({"access_token": token.value, "token_type": "bearer", "expires_in": life})

    return mint
