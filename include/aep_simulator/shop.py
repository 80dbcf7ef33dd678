"""The default seed: the AEP of a shop, as it might look on any morning."""

from __future__ import annotations

from .entities import PROFILE_SCHEMA, Json, derived_id
from .seed import SeedDocument

SCOPES = ("openid", "session", "AdobeID", "read_organizations", "additional_info.projectedProductContext")
ORG_ID = "9F1A5D2E63B7C4A80A495C3D@AdobeOrg"

# Exports of other classes exist beside those of people; how their schemas are called is unconfirmed.
ACCOUNT_SCHEMA = "_xdm.context.account"
_HISTORY_DAYS = 14

_NEWSLETTER = (
    "Newsletter subscribers",
    "Newsletter openers 30 days",
    "Newsletter clickers 30 days",
    "New customers 90 days",
    "Lapsed buyers 180 days",
    "Wine and spirits fans",
    "Families with children",
    "Birthday this month",
)
_FLASH_SALE = (
    "Flash sale opt-in",
    "Bargain hunters",
    "Abandoned cart 7 days",
    "High basket value",
    "App users with push",
)
_LOYALTY = ("Loyalty gold members", "Loyalty silver members", "Points expiring soon")
_WINBACK = ("Inactive one year", "Unsubscribed but buying")
_TOWNS = (
    "Aachen",
    "Berlin",
    "Bremen",
    "Cologne",
    "Dresden",
    "Hamburg",
    "Kassel",
    "Leipzig",
    "Munich",
    "Stuttgart",
    "Vienna",
    "Zurich",
)
_GROUPS = ("Families", "Students", "Seniors", "Commuters", "Pet owners")
_REGIONS = tuple(f"{group} near {town}" for town in _TOWNS for group in _GROUPS)
_EXPIRED = "Black Friday shoppers"
_UPCOMING = "Spring collection preview"
_FRESH = "Gift finder users"
_IMPORTED = "Partner airline travellers"
_UNMAPPED = "Click and collect users"
_STREAMED = "Store visitors today"


def audience_id(name: str) -> str:
    """Return the id of an audience of the shop."""
    return derived_id(f"audience {name}")


def flow_id(name: str) -> str:
    """Return the id of a flow of the shop."""
    return derived_id(f"flow {name}")


def _flow(name: str, audiences: tuple[str, ...], *more: Json, **fields: object) -> Json:
    mapped: list[Json] = [{"id": audience_id(audience)} for audience in audiences]
    return {"id": flow_id(name), "name": name, "audiences": [*mapped, *more], **fields}


def _flows() -> list[Json]:
    often = {"frequency": "EVERY_6_HOURS", "trigger_type": "SCHEDULED", "start_time": "06:00"}
    return [
        _flow("Newsletter S3", _NEWSLETTER, age="400d"),
        _flow(
            "Flash sale SFTP",
            _FLASH_SALE,
            {"id": audience_id(_EXPIRED), "start": -40, "end": -2, **often},
            {"id": audience_id(_UPCOMING), "start": 10, "end": 60, **often},
            {"id": audience_id(_FRESH), "mapped_ago": "10m", "start": 0, "end": 30, **often},
            age="200d",
        ),
        _flow(
            "Loyalty partner Azure Blob",
            _LOYALTY,
            {"id": audience_id(_IMPORTED), "frequency": "ONCE", "end": None},
            age="300d",
        ),
        _flow("Winback mailing S3", _WINBACK, state="disabled", age="700d"),
        _flow("Store events stream", (_STREAMED,), kind="streaming", age="150d"),
        _flow("Regional leaflets S3", _REGIONS, age="90d"),
        _flow("Regional call centre SFTP", _REGIONS, age="80d"),
        _flow("Order lines to the warehouse S3", (), kind="dataset", age="500d"),
        _flow("Till receipts", (), kind="source", age="600d"),
        {
            "id": flow_id("Newsletter S3 (dev)"),
            "name": "Newsletter S3 (dev)",
            "sandbox": "dev",
            "audiences": [audience_id("Test addresses")],
        },
    ]


def _audiences() -> list[Json]:
    names = [*_NEWSLETTER, *_FLASH_SALE, *_LOYALTY, *_WINBACK, *_REGIONS]
    names += [_EXPIRED, _UPCOMING, _FRESH, _UNMAPPED, _STREAMED]
    imported = {
        "id": audience_id(_IMPORTED),
        "name": _IMPORTED,
        "external_id": "airline-travellers-2025",
        "namespace": "CustomerAudienceUpload",
    }
    tester = {"id": audience_id("Test addresses"), "name": "Test addresses", "sandbox": "dev", "size": 12}
    return [*({"id": audience_id(name), "name": name} for name in names), imported, tester]


def _runs() -> list[Json]:
    """Return a week of scheduled runs of the enabled file flows; a run holds all audiences of its flow."""
    endings: dict[tuple[str, int], Json] = {
        ("Flash sale SFTP", 3): {"status": "failed", "message": "Job aborted.", "seconds": "98m"},
        ("Newsletter S3", 5): {"status": "partialSuccess", "records_failed": 14},
    }
    flows = ("Newsletter S3", "Flash sale SFTP", "Loyalty partner Azure Blob")
    runs = []
    for place, name in enumerate((*flows, "Regional leaflets S3", "Regional call centre SFTP")):
        for day in range(7):
            ending = endings.get((name, day), {})
            age = day * 86400 + 7200 - place * 600
            runs.append(
                {
                    "id": derived_id(f"run {name} {day}"),
                    "flow_id": flow_id(name),
                    "age": age,
                    "seconds": 400 + place * 30 + day * 7,
                    **ending,
                }
            )
    return runs


def _export_jobs() -> list[Json]:
    """Return two weeks of exports: people and accounts each day, and some (the newest too) that somebody asked for."""
    jobs: list[Json] = []
    for day in reversed(range(_HISTORY_DAYS)):
        age = day * 86400 + 3 * 3600
        people: Json = {"schema": PROFILE_SCHEMA, "age": age, "duration": 2400}
        if day == 4:
            people["status"] = "FAILED"
        jobs.append(people)
        if day % 3 == 0:
            segments = [audience_id("Newsletter subscribers")]
            jobs.append({"schema": PROFILE_SCHEMA, "age": age - 1800, "duration": 300, "segments": segments})
        jobs.append({"schema": ACCOUNT_SCHEMA, "age": age - 3000, "duration": 900})
    numbered = [{"id": 24115 + number, **job} for number, job in enumerate(jobs)]
    return [*numbered, {"id": 24900, "sandbox": "dev", "age": "5h", "duration": 600}]


def _segment_jobs() -> list[Json]:
    """Return three days of evaluations, an hour before the exports, and one that somebody asked for."""
    daily: list[Json] = [{"age": day * 86400 + 4 * 3600, "duration": 1500} for day in range(3)]
    asked: Json = {"age": "26h", "duration": 300, "source": "api", "sizes": {audience_id("Newsletter subscribers"): 41}}
    return [*daily, asked, {"age": "20m", "status": "PROCESSING", "source": "api"}, {"sandbox": "dev", "age": "6h"}]


def shop_seed() -> SeedDocument:
    """Return the default seed."""
    return SeedDocument.model_validate(
        {
            "org_id": ORG_ID,
            "tenant": "lunarmarkt",
            "settings": {"daily_export": True},
            "credentials": [
                {
                    "client_id": "7d3c1f5e9a2b4860b1c4aep0demo0001",
                    "client_secrets": ["p8e-demo-secret-of-the-simulator"],
                    "scopes": list(SCOPES),
                }
            ],
            "sandboxes": [
                {"name": "prod", "title": "Production", "type": "production"},
                {"name": "dev", "title": "Development", "type": "development"},
            ],
            "audiences": _audiences(),
            "flows": _flows(),
            "runs": _runs(),
            "export_jobs": _export_jobs(),
            "segment_jobs": _segment_jobs(),
        }
    )
