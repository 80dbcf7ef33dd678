"""The provider's metadata for Airflow: the connection type and its form."""

from __future__ import annotations

from typing import Any

_NAME = "Adobe Experience Platform"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata (entry point ``apache_airflow_provider``)."""
    return {
        "package-name": "airflow-provider-adobe-experience-platform",
        "name": _NAME,
        "description": "Deliver audiences to file destinations on demand, exactly once.",
        "connection-types": [
            {
                "connection-type": "adobe_experience_platform",
                "hook-class-name": "adobe_experience_platform.hooks.AdobeExperiencePlatformHook",
                "hook-name": "Adobe Experience Platform",
                "ui-field-behaviour": {
                    # Airflow 3.3.2's *Test* button is refused where a connection was saved without a port.
                    "hidden-fields": ["schema"],
                    "relabeling": {
                        "host": "Host (base URL)",
                        "port": "Port (443 or 0)",
                        "login": "Client ID (API key)",
                        "password": "Client secret",
                    },
                    "placeholders": {
                        "host": "https://platform.adobe.io",
                        "port": "443",
                        "login": "the Developer Console credential's client id",
                        "password": "the Developer Console credential's client secret",
                    },
                },
                "conn-fields": _FIELDS,
            }
        ],
        "integrations": [
            {
                "integration-name": _NAME,
                "external-doc-url": "https://experienceleague.adobe.com/docs/experience-platform/destinations/home.html",
                "tags": ["service"],
            }
        ],
        **{
            room: [{"integration-name": _NAME, "python-modules": [f"adobe_experience_platform.{room}"]}]
            for room in ("hooks", "operators", "sensors", "triggers")
        },
        "asset-uris": [
            {
                "schemes": ["aep"],
                "handler": "adobe_experience_platform.hooks.asset_uris.normalize",
                "factory": "adobe_experience_platform.hooks.asset_uris.create_asset",
                "to_openlineage_converter": "adobe_experience_platform.hooks.asset_uris.to_openlineage",
            }
        ],
        # No "notifications": notices go through the notifiers of other providers, and this one has none to offer.
        "cli": ["adobe_experience_platform.cli.get_cli_commands"],
        "extra-links": ["adobe_experience_platform.operators.DestinationLink"],
        "config": {
            "adobe_experience_platform": {
                "description": "Options of the Adobe Experience Platform provider.",
                "options": _OPTIONS,
            }
        },
    }


def _option(kind: str, example: str | None, default: str, description: str) -> dict[str, Any]:
    shown = {"description": description, "version_added": "0.2.0"}
    return {**shown, "type": kind, "example": example, "default": default}


_OPTIONS = {
    "settle_margin_seconds": _option(
        "float",
        None,
        "60",
        "Seconds, on top of the request time-out, after which an activation whose answer was lost and that AEP does "
        "not list is treated as not started.",
    ),
    "campaigns_folder": _option(
        "string",
        "/opt/airflow/include/campaigns",
        "",
        "Folder of campaign files. If empty: include/campaigns beside the folder of DAG files.",
    ),
    "pauses_folder": _option(
        "string",
        "/mnt/shared/aep_pauses",
        "",
        "Folder in which processes note until when AEP has asked not to be asked; several machines share it where it "
        "is on a disk of theirs. If empty: aep_pauses in Airflow's home.",
    ),
    "notifier_packages": _option(
        "string",
        "my_company.notifiers",
        "",
        "Packages whose notifiers a campaign may name, besides those that installed providers declare; separated by "
        "commas. Whoever may write campaign files can run them, with any argument.",
    ),
}


def _field(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


_FIELDS: dict[str, Any] = {
    "org_id": _field("IMS organization id", "Such as ABC123@AdobeOrg; shown in the Developer Console project."),
    "sandbox_name": _field("Sandbox", "Lower-case name of the sandbox; prod if empty.", default="prod"),
    "scopes": _field(
        "Scopes", "Comma-separated, as shown in the Developer Console project; if empty, AEP's usual scopes."
    ),
    "tenant": _field("Tenant", "The word after @ in the address of AEP's web pages; only used for links into AEP."),
    "ims_url": _field("IMS URL", "Where tokens are minted; leave empty for Adobe's own."),
    "access_token": _field(
        "Access token",
        "Used as is instead of a token minted with the client secret; for short tests only.",
        format="password",
    ),
    "timeout": _field(
        "Time-out (seconds)", "For one request; 60 if empty.", type=["number", "null"], minimum=1, maximum=600
    ),
    "verify": _field("CA bundle", "Path of a CA bundle, or false to accept any certificate (tests only)."),
    "proxies": _field("Proxies", 'Such as {"https": "http://proxy:3128"}.', type=["object", "null"]),
    "allow_http": _field(
        "Allow http",
        "Accept unencrypted addresses other than this machine's own (tests only).",
        type="boolean",
        default=False,
    ),
}
