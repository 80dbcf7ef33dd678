"""The Airflow connection, read and checked: where AEP is, who we are, how to get there."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from adobe_experience_platform.errors import AepConnectionConfigError

from .json_values import as_text
from .text import one_line, short_repr

CONN_TYPE = "adobe_experience_platform"
DEFAULT_CONN_ID = "aep_default"
DEFAULT_HOST = "https://platform.adobe.io"
DEFAULT_IMS_URL = "https://ims-na1.adobelogin.com"
_TOKEN = "extra 'access_token'"  # noqa: S105 - what the option is called
DEFAULT_SANDBOX = "prod"
DEFAULT_SCOPES = "openid,session,AdobeID,read_organizations,additional_info.projectedProductContext"
DEFAULT_TIMEOUT = 60.0
"""Seconds for one request: adobe.io itself cuts a request off after 60 s."""
LONGEST_TIMEOUT = 600.0

_CONN_ID = re.compile(r"[A-Za-z0-9_#!().:/\\-]{1,250}")
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")


class AirflowConnection(Protocol):
    """The parts of ``airflow.sdk.Connection`` that are read."""

    conn_id: str
    conn_type: str | None
    host: str | None
    schema: str | None
    login: str | None
    password: str | None
    port: int | None


@dataclass(frozen=True, slots=True)
class AepConnection:
    """A checked connection. Secrets are left out of ``repr``.

    :param base_url: scheme, host and port of AEP; the only place that the bearer token is sent to.
    :param timeout: seconds for one request, also the hard limit of the activation request.
    :param access_token: used as it is instead of minting one, "" to mint.
    """

    conn_id: str
    base_url: str
    ims_url: str
    client_id: str
    org_id: str
    sandbox_name: str
    scopes: str
    client_secret: str = field(repr=False)
    access_token: str = field(default="", repr=False)
    tenant: str = ""
    timeout: float = DEFAULT_TIMEOUT
    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    trust_env: bool = True

    @classmethod
    def parse(
        cls, connection: AirflowConnection, extra: Mapping[str, object], sandbox_name: str | None = None
    ) -> AepConnection:
        """Read an Airflow connection.

        :param connection: the connection.
        :param extra: its ``extra`` as a dictionary.
        :param sandbox_name: overrides the connection's sandbox.
        :raises AepConnectionConfigError: naming every fault at once.
        """
        conn_id = connection.conn_id
        if connection.conn_type != CONN_TYPE:
            raise AepConnectionConfigError(
                f"Connection {conn_id!r} has type {connection.conn_type!r}. Use a connection of type "
                f"{CONN_TYPE!r}, so that another system's secret is never sent to AEP."
            )
        faults: list[str] = []
        allow_http = _as_bool(extra.get("allow_http", False))
        host = _checked_url(_host_url(connection), "Host", DEFAULT_HOST, allow_http, faults)
        base_url = _with_port(host, connection.port, faults)
        ims_url = as_text(extra.get("ims_url")) or DEFAULT_IMS_URL
        ims_url = _checked_url(ims_url, "extra 'ims_url'", DEFAULT_IMS_URL, allow_http, faults)
        org_id = as_text(extra.get("org_id"))
        client_id = (connection.login or "").strip()
        secret = connection.password or ""
        token = as_text(extra.get("access_token"))
        scopes = _as_scopes(extra.get("scopes"), faults) or DEFAULT_SCOPES
        timeout = _as_timeout(extra.get("timeout"), faults)
        if not client_id:
            faults.append("Login is empty: enter the client id (API key) of the Developer Console credential")
        if not secret and not token:
            faults.append("Password is empty: enter the client secret of the Developer Console credential")
        if not org_id:
            faults.append("extra 'org_id' is missing: enter the IMS organization id, such as ABC123@AdobeOrg")
        sandbox = as_text(sandbox_name) or as_text(extra.get("sandbox_name")) or DEFAULT_SANDBOX
        faults += _sending_faults(
            headers={"Login": client_id, "extra 'org_id'": org_id, "sandbox name": sandbox},
            secrets={"Password": secret, _TOKEN: token, "extra 'scopes'": scopes},
        )
        if faults:
            raise AepConnectionConfigError(
                f"Connection {conn_id!r} cannot be used:\n" + "\n".join(f"  - {fault}" for fault in faults)
            )
        return cls(
            conn_id=conn_id,
            base_url=base_url,
            ims_url=ims_url,
            client_id=client_id,
            client_secret=secret,
            access_token=token,
            org_id=org_id,
            sandbox_name=sandbox,
            scopes=scopes,
            tenant=one_line(as_text(extra.get("tenant"))).lstrip("@ "),
            timeout=timeout,
            verify=_as_verify(extra.get("verify", extra.get("verify_ssl", True))),
            cert=_as_cert(extra.get("cert")),
            proxies=_as_proxies(extra.get("proxies", extra.get("proxy"))),
            trust_env=_as_bool(extra.get("trust_env", True)),
        )

    def headers(self, token: str) -> dict[str, str]:
        """Return the headers that every AEP request carries (``x-sandbox-id`` is never one of them)."""
        return {
            "Authorization": f"Bearer {token}",
            "x-api-key": self.client_id,
            "x-gw-ims-org-id": self.org_id,
            "x-sandbox-name": self.sandbox_name,
        }


def _sending_faults(headers: Mapping[str, str], secrets: Mapping[str, str]) -> Iterator[str]:
    """Find values that a request cannot carry; a secret is pasted, so it is not shown."""
    for label, value in headers.items():
        if value and not fits_a_header(value):
            what = "a space, a line break or another character not allowed in a header"
            yield f"{label} contains {what}: paste it again"
    for label, value in secrets.items():
        if any(char in value for char in "\r\n"):
            yield f"{label} contains a line break: paste it again without it"
        elif not value.isprintable() or (label == _TOKEN and value and not fits_a_header(value)):
            yield f"{label} contains a character that cannot be sent: paste it again without it"


def conn_id_fault(conn_id: object) -> str | None:
    """Return what is wrong with a connection id, None if nothing: it may come from a run's parameters.

    Airflow puts it into the path of a URL as it is, so it must not lead anywhere else.
    """
    if not isinstance(conn_id, str) or not conn_id:
        return "is empty: enter the id of an Airflow connection to AEP"
    if not _CONN_ID.fullmatch(conn_id) or any(part in ("", ".", "..") for part in re.split(r"[/\\]", conn_id)):
        return f"{short_repr(conn_id)} is not a valid connection id: enter the id of a connection of type {CONN_TYPE!r}"
    return None


def fits_a_header(value: str) -> bool:
    """Whether a text can be sent as (part of) a header: visible ASCII only."""
    return bool(value) and value.isascii() and value.isprintable() and " " not in value


def _host_url(connection: AirflowConnection) -> str:
    host = (connection.host or DEFAULT_HOST).strip()
    if "://" not in host:
        scheme = connection.schema if connection.schema in ("http", "https") else "https"
        host = f"{scheme}://{host}"
    return host


def _with_port(url: str, port: int | None, faults: list[str]) -> str:
    """Add the connection's port to its checked host; 0, which Airflow's form sends for an empty field, is none."""
    if not url or not port:
        return url
    if not 0 < port <= 65535:
        faults.append(f"Port {port} is not a valid port: enter 443, or 0 for the one in Host")
        return url
    parts = urlsplit(url)
    if parts.port is None:
        return f"{url}:{port}"
    if parts.port != port:
        faults.append(f"Port is {port}, but Host ends with :{parts.port}: change one of them, or enter 0 as Port")
    return url


def _checked_url(url: str, label: str, example: str, allow_http: bool, faults: list[str]) -> str:
    """Return scheme, host and port of a base URL; say what is wrong with it otherwise."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if not host or parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        faults.append(f"{label} is not a valid web address: enter one such as {example}")
        return ""
    if parts.username or parts.password or parts.query or parts.fragment or parts.path not in ("", "/"):
        faults.append(f"{label} must contain only scheme, host and port, such as {example}")
        return ""
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        faults.append(f"{label} uses http, which exposes the token to anyone on the network: use https")
        return ""
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + (f":{port}" if port else "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _as_bool(value: object) -> bool:
    return value.strip().lower() in ("1", "true", "yes", "on") if isinstance(value, str) else bool(value)


def _as_scopes(value: object, faults: list[str]) -> str:
    """Scopes are text with commas, as the Developer Console shows them, or a JSON list, as its code examples do."""
    names = value if isinstance(value, list) else [value]
    if value is not None and not all(isinstance(name, str) for name in names):
        faults.append("extra 'scopes' is neither a string nor a list of strings: enter the scopes separated by commas")
        return ""
    return ",".join(filter(None, map(as_text, names)))


def _as_timeout(value: object, faults: list[str]) -> float:
    """Return seconds; what cannot be read is a fault, because it also decides when an activation counts as lost."""
    if value is None or value == "":
        return DEFAULT_TIMEOUT
    try:
        seconds = 0.0 if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        seconds = 0.0
    if not 0 < seconds <= LONGEST_TIMEOUT:
        faults.append(
            f"extra 'timeout' is {short_repr(value)}: enter seconds above 0, at most {LONGEST_TIMEOUT:g}, or leave it "
            "out"
        )
        return DEFAULT_TIMEOUT
    return seconds


def _as_verify(value: object) -> bool | str:
    """``verify`` is true, false or the path of a CA bundle."""
    if isinstance(value, str) and value.strip().lower() not in ("true", "false", "1", "0", "yes", "no", ""):
        return value
    return _as_bool(value) if value != "" else True


def _as_cert(value: object) -> str | tuple[str, str] | None:
    if isinstance(value, list | tuple) and len(value) == 2:
        return as_text(value[0]), as_text(value[1])
    return value if isinstance(value, str) and value else None


def _as_proxies(value: object) -> dict[str, str]:
    if isinstance(value, str) and value:
        return {"http": value, "https": value}
    return {str(key): as_text(item) for key, item in value.items()} if isinstance(value, dict) else {}
