"""Explains what is wrong with a connection to the person who has just filled in its form."""

from __future__ import annotations

from adobe_experience_platform.errors import AepAuthError, AepCallError, AepError, AepNotFoundError, AepTransientError

from . import auth
from .answers import number_of
from .connection import AepConnection

CONSOLE = "the project's credential in the Adobe Developer Console"


def explain(error: AepError, settings: AepConnection | None) -> str:
    """Say in one plain sentence what to do, then the error in parentheses, or that alone without a connection."""
    if settings is None or not isinstance(error, AepCallError):
        return str(error)
    said = _of_ims(error, settings) if error.call == auth.CALL else _of_aep(error, settings)
    return f"{said} ({error})"


def _of_ims(error: AepCallError, settings: AepConnection) -> str:
    if isinstance(error, AepTransientError):
        return _unreachable(error, "Adobe's identity service", settings.ims_url, "IMS URL")
    if "client_secret" in error.text:
        return f"The client secret is wrong: copy it again from {CONSOLE} into Client secret. Was it rotated?"
    if "client_id" in error.text:
        return f"Adobe does not recognize this client id: copy it again from {CONSOLE} into Client ID."
    if error.code.startswith("invalid_scope"):
        return f"The credential is not allowed these scopes: copy the scopes from {CONSOLE} into Scopes."
    if auth.speaks_like_ims(error.code):
        return f"Adobe rejected the credential: compare Client ID, Client secret and Scopes with {CONSOLE}."
    return f"{settings.ims_url} is not Adobe's identity service: leave IMS URL empty for Adobe's own."


def _of_aep(error: AepCallError, settings: AepConnection) -> str:
    code = number_of(error.code)
    sandbox, org = settings.sandbox_name, settings.org_id
    if isinstance(error, AepTransientError):
        return _unreachable(error, "AEP", settings.base_url, "Host")
    if code == "2100-404":
        return f"There is no sandbox {sandbox!r} in {org}: enter its lower-case name, not its title, into Sandbox."
    if code == "403025":
        return f"The credential does not belong to {org}: copy the IMS organization id from {CONSOLE}."
    if code == "403027":
        return (
            f"{org} is not an IMS organization id, or the credential has no product profile: copy the id from "
            f"{CONSOLE}, and choose a product profile there."
        )
    if code in ("403000", "403003"):
        return f"AEP rejected the client id: add the Experience Platform API to the project of {CONSOLE}."
    doubt = "" if error.is_aeps else f" If {settings.base_url} is not AEP, leave Host empty for Adobe's own."
    if error.status == 403:
        return (
            f"The credential has no role on sandbox {sandbox!r}: in AEP, under Permissions > Roles, add the sandbox, "
            "the permissions View Destinations, Activate Destinations, View Profiles and View Segments, and the "
            f"credential.{doubt}"
        )
    if isinstance(error, AepAuthError) and settings.access_token:
        return "The access token has expired or is wrong: enter a new one, or remove it and enter the client secret."
    if isinstance(error, AepAuthError):
        return f"AEP rejected a newly issued token: compare Client ID and Scopes with {CONSOLE}.{doubt}"
    if error.is_aeps and isinstance(error, AepNotFoundError):
        return f"AEP does not find this in sandbox {sandbox!r} of {org}: check Sandbox, and the credential's role."
    if isinstance(error, AepNotFoundError) or 300 <= (error.status or 0) < 400:
        return f"{settings.base_url} is not AEP: leave Host empty for Adobe's own."
    return f"AEP rejected the call.{doubt}"


def _unreachable(error: AepCallError, who: str, url: str, field: str) -> str:
    if error.is_aeps:
        return f"{who} is having problems: try again in a minute."
    if error.status is not None:
        return f"{who} is having problems, or something else is answering at {url} ({field}): try again in a minute."
    if "proxy" in error.text:
        return f"The proxy for {url} cannot be reached or refused the connection: check Proxies."
    if "TLS" in error.text:
        return f"The certificate of {url} was not accepted: set CA bundle to your company's, if it inspects TLS."
    return f"{who} cannot be reached at {url} from this Airflow: check {field}, Proxies, DNS and the firewall."
