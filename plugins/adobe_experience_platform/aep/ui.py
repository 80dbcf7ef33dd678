"""Addresses of pages in the AEP user interface; they are built from ids, without any network call.

AEP's pages are addressed by a *tenant*, the short organization name in the browser's address, which no
API used here returns: without extra ``tenant`` in the connection there is no link.
"""

from __future__ import annotations

from urllib.parse import quote

_UI = "https://experience.adobe.com/#"


def destination_url(tenant: str, sandbox_name: str, flow_id: str) -> str:
    """Return the address of a destination dataflow in AEP, "" without a tenant."""
    if not tenant or not flow_id:
        return ""
    place = f"@{quote(tenant, safe='')}/sname:{quote(sandbox_name, safe='')}"
    return f"{_UI}/{place}/platform/destination/browse/{quote(flow_id, safe='')}"
