"""The Airflow connection, read and checked: where AEP is, who we are, how to get there."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote, urlsplit

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

_CONN_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,250}")
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
    extra: str | None


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
    def parse(cls, connection: AirflowConnection, sandbox_name: str | None = None) -> AepConnection:
        """Read an Airflow connection: null, an empty string, blanks and absent mean the default of every option.

        :param sandbox_name: overrides the connection's.
        :raises AepConnectionConfigError: naming every fault at once.
        """
        conn_id = connection.conn_id
        if connection.conn_type != CONN_TYPE:
            raise no_connection(conn_id)
        faults: list[str] = []
        extra = _Extra(connection.extra, faults)
        allow_http = extra.flag("allow_http", False)
        host = _checked_url(_host_url(connection, faults), "Host", DEFAULT_HOST, allow_http, faults)
        base_url = _with_port(host, connection.port, faults)
        ims_url = extra.text("ims_url") or DEFAULT_IMS_URL
        ims_url = _checked_url(ims_url, "extra 'ims_url'", DEFAULT_IMS_URL, allow_http, faults)
        org_id, token, scopes = extra.text("org_id"), extra.text("access_token"), extra.scopes()
        client_id = (connection.login or "").strip()
        secret = connection.password or ""
        if not client_id:
            faults.append("Login is empty: enter the client id (API key) of the Developer Console credential")
        if not secret.strip() and not token:
            faults.append("Password is empty: enter the client secret of the Developer Console credential")
        if not org_id:
            faults.append("extra 'org_id' is missing: enter the IMS organization id, such as ABC123@AdobeOrg")
        sandbox = as_text(sandbox_name) or extra.text("sandbox_name") or DEFAULT_SANDBOX
        faults += _sending_faults(
            headers={"Login": client_id, "extra 'org_id'": org_id, "sandbox name": sandbox},
            secrets={"Password": secret, _TOKEN: token, "extra 'scopes'": scopes},
        )
        found = cls(
            conn_id=conn_id,
            base_url=base_url,
            ims_url=ims_url,
            client_id=client_id,
            client_secret=secret,
            access_token=token,
            org_id=org_id,
            sandbox_name=sandbox,
            scopes=scopes,
            tenant=one_line(extra.text("tenant")).lstrip("@ "),
            timeout=extra.timeout(),
            verify=extra.verify(),
            cert=extra.cert(),
            proxies=extra.proxies(),
            trust_env=extra.flag("trust_env", True),
        )
        if faults:
            raise AepConnectionConfigError(
                f"Connection {conn_id!r} cannot be used:\n" + "\n".join(f"  - {fault}" for fault in faults)
            )
        return found

    @property
    def place(self) -> str:
        """Organization and sandbox: what is known of one is nothing of another."""
        return f"{self.org_id}/{self.sandbox_name}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be shown nowhere."""
        passwords = [urlsplit(proxy).password or "" for proxy in self.proxies.values()]
        found = (self.client_secret, self.access_token, *passwords, *map(unquote, passwords))
        return tuple(dict.fromkeys(filter(None, found)))

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
    if not _CONN_ID.fullmatch(conn_id):
        return f"{short_repr(conn_id)} is not a valid connection id: enter the id of a connection of type {CONN_TYPE!r}"
    return None


def no_connection(conn_id: str) -> AepConnectionConfigError:
    """Say the same of a connection that does not exist and of another system's: a run must not list connections."""
    return AepConnectionConfigError(
        f"There is no connection {conn_id!r} of type {CONN_TYPE!r}: create it under Admin > Connections, or choose "
        "another one."
    )


def fits_a_header(value: str) -> bool:
    """Whether a text can be sent as (part of) a header: visible ASCII only."""
    return bool(value) and value.isascii() and value.isprintable() and " " not in value


def _host_url(connection: AirflowConnection, faults: list[str]) -> str:
    host = (connection.host or "").strip() or DEFAULT_HOST
    scheme = (connection.schema or "").strip().lower() or "https"
    if scheme not in ("http", "https"):
        faults.append("Schema is neither http nor https: leave it empty for https")
    return host if "://" in host else f"{scheme}://{host}"


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
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        faults.append(f"{label} uses http, which exposes the token to anyone on the network: use https")
        return ""
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + (f":{port}" if port else "")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself, in any form that resolvers take (127.1, 0x7f000001, ::ffff:127.0.0.1)."""
    name = host.lower().rstrip(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            return name == "localhost" or socket.inet_aton(name)[0] == 127
        except (OSError, UnicodeError):
            return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def proxy_address(value: object) -> str | None:
    """Return the address of a proxy with its scheme, None if it is not one that both HTTP clients can use."""
    if not isinstance(value, str) or not (url := value.strip()).isprintable() or " " in url:
        return None
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return url if fits else None


_WORDS = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)


def _given(value: object) -> object:
    """Return what was entered, None where that means the default."""
    return (value.strip() or None) if isinstance(value, str) else value


class _Extra:
    """The only reader of a connection's extra. Airflow's form sends null for every field that nobody touched."""

    def __init__(self, extra: str | None, faults: list[str]) -> None:
        self.faults = faults
        self.values: Mapping[str, object] = {}
        try:
            values = json.loads(extra) if extra and extra.strip() else None
        except (ValueError, RecursionError):
            values = ()
        if isinstance(values, dict):
            self.values = values
        elif values is not None:
            faults.append('Extra is not a JSON object: enter one such as {"org_id": "ABC123@AdobeOrg"}')

    def given(self, name: str) -> object:
        return _given(self.values.get(name))

    def fault(self, name: str, remedy: str) -> None:
        """Note a fault; values are not shown, because secrets are pasted into wrong fields."""
        self.faults.append(f"extra {name!r} {remedy}, or leave it out")

    def text(self, name: str) -> str:
        value = self.given(name)
        if value is not None and (isinstance(value, bool | float) or not as_text(value)):
            self.fault(name, "is not text: enter text")
            return ""
        return as_text(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self.given(name)
        found = value if isinstance(value, bool) else _WORDS.get(value.lower()) if isinstance(value, str) else None
        if found is None and value is not None:
            self.fault(name, "is neither true nor false: enter one of them")
        return default if found is None else found

    def scopes(self) -> str:
        """Read text with commas, as the Developer Console shows scopes, or a JSON list, as its code examples do."""
        value = self.given("scopes")
        names = value if isinstance(value, list) else ["" if value is None else value]
        if not all(isinstance(name, str) for name in names):
            self.fault("scopes", "is neither a string nor a list of strings: enter the scopes separated by commas")
            return DEFAULT_SCOPES
        return ",".join(filter(None, map(as_text, names))) or DEFAULT_SCOPES

    def timeout(self) -> float:
        """Read seconds; what cannot be read is a fault, because it also decides when an activation counts as lost."""
        value = self.given("timeout")
        try:
            seconds = 0.0 if isinstance(value, bool) else DEFAULT_TIMEOUT if value is None else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            seconds = 0.0
        if not 0 < seconds <= LONGEST_TIMEOUT:
            self.fault("timeout", f"is {short_repr(value)}: enter seconds above 0, at most {LONGEST_TIMEOUT:g}")
        return seconds

    def verify(self) -> bool | str:
        """Read true, false or the path of a CA bundle; only false and plain words for it switch verification off."""
        value = self.given("verify")
        if isinstance(value, str):
            return _WORDS.get(value.lower(), value)
        if not isinstance(value, bool | None):
            self.fault("verify", "is neither true nor false nor text: enter the path of a CA bundle")
        return value is not False

    def cert(self) -> str | tuple[str, str] | None:
        """Read the path of a client certificate, or a pair of paths: certificate and key."""
        value = self.given("cert")
        given = value if isinstance(value, list) else [value]
        paths = [path for path in given if isinstance(path, str) and path.strip()]
        if value is not None and (len(paths) != len(given) or len(paths) not in (1, 2)):
            self.fault("cert", "is not a path: enter that of a client certificate, or [certificate, key]")
        return (paths[0], paths[1]) if len(paths) == 2 else paths[0] if paths else None

    def proxies(self) -> dict[str, str]:
        """Read one proxy for everything, or an object ``{"https": proxy, "http": proxy}``."""
        value = self.given("proxies")
        if isinstance(value, str) and value.startswith("{"):  # all values in a URI are text
            value = _Extra(value, self.faults).values
        given = value if isinstance(value, Mapping) else dict.fromkeys(("http", "https"), value)
        addresses = {key: proxy_address(item) for key, item in given.items() if _given(item) is not None}
        if not addresses.keys() <= {"http", "https"} or None in addresses.values():
            self.fault("proxies", 'is not usable: enter http or https proxies, such as {"https": "http://proxy:3128"}')
        return {key: address for key, address in addresses.items() if address}
