"""Flow Service's list parameters: ``property``, ``orderby``, ``limit``, ``count``, ``continuationToken``.

Follows Adobe's "Sorting and filtering responses in the Flow Service API", the samples there, and the codes of "Flow
Service error messages". That an older body carries the code at the head of ``errorMessage`` is unconfirmed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from starlette.datastructures import QueryParams

from .entities import Json
from .errors import AepService, ApiError
from .settings import Settings

_CONDITION = re.compile(r"(?P<path>[^=<>!~]+)(?P<op>==|>=|<=|>|<|[=!~]+)(?P<value>.*)", re.DOTALL)
_OPERATORS = frozenset({"==", ">=", "<=", ">", "<"})
_PARAMETERS = frozenset({"property", "limit", "orderby", "count", "continuationToken", "projectionFields"})
# What Adobe's schemas and samples show at the top of flows and runs, and ``state``, by which runs can be filtered.
_FIELDS = frozenset(
    (
        *("id", "name", "description", "state", "version", "etag", "createdAt", "updatedAt", "createdBy", "updatedBy"),
        *("createdClient", "updatedClient", "sandboxId", "sandboxName", "imsOrgId", "flowId", "flowSpec", "metrics"),
        *("activities", "providerRefId", "parentFlowRunId", "childFlowRunIds", "sourceConnectionIds"),
        *("targetConnectionIds", "inheritedAttributes", "transformations", "scheduleParams", "lastOperation"),
        *("lastRunDetails", "runs"),
    )
)
_TIMES = re.compile(r"(?:.*\.)?(?:(?:created|updated)At|(?:started|completed)AtUTC)")


class HasId(Protocol):
    """Anything a list can hold."""

    id: str


ItemT = TypeVar("ItemT", bound=HasId)


def bad_query(code: str, text: str) -> ApiError:
    """Return a 400 of Flow Service."""
    return AepService.FLOW_SERVICE.error(400, f"{code}: {text}")


@dataclass(frozen=True, slots=True)
class Condition:
    """One ``property=<path><op><value>``; several values mean "any of"."""

    path: tuple[str, ...]
    op: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read a condition; commas mean "any of", with ``==`` only."""
        found = _CONDITION.fullmatch(text)
        if found is None or found["op"] not in _OPERATORS:
            raise bad_query("1450-400", f"the operator is not valid: {text}")
        path, op, values = found["path"], found["op"], tuple(found["value"].split(","))
        if path.split(".")[0].removesuffix("[]") not in _FIELDS:
            raise bad_query("1449-400", f"the field is not valid: {path}")
        if not all(values):
            raise bad_query("1453-400", f"a value is empty: {text}")
        if path == "id" and op != "==":
            raise bad_query("1448-400", f"{op} is not supported on id")
        if _TIMES.fullmatch(path) and not (len(values) == 1 and values[0].isdecimal()):
            raise bad_query("1452-400", f"{path} takes one value, a time in milliseconds: {text}")
        if len(values) > 1 and op != "==":
            raise bad_query("1443-400", f"{op} is not allowed with several values: {text}")
        return cls(tuple(path.split(".")), op, values)

    @property
    def name(self) -> str:
        """The path as written."""
        return ".".join(self.path)

    def holds(self, document: Json) -> bool:
        """Say whether a document fulfils the condition."""
        found = look_up(document, self.path)
        return any(_compare(item, self.op, value) for item in found for value in self.values)


def look_up(document: object, path: Sequence[str]) -> list[Any]:
    """Return the values at a path. An array is entered only where the path says ``[]``."""
    found = [document]
    for step in path:
        name = step.removesuffix("[]")
        inner = [item[name] for item in found if isinstance(item, dict) and name in item]
        if step.endswith("[]"):
            inner = [element for item in inner if isinstance(item, list) for element in item]
        found = inner
    return found


def _compare(found: object, op: str, wanted: str) -> bool:
    if isinstance(found, bool):
        return op == "==" and str(found).lower() == wanted.lower()
    if isinstance(found, (int, float)):
        try:
            number = float(wanted)
        except ValueError:
            return False
        return _ordered((found > number) - (found < number), op)
    if isinstance(found, str):
        return _ordered((found > wanted) - (found < wanted), op)
    return False


def _ordered(sign: int, op: str) -> bool:
    return {"==": sign == 0, ">": sign > 0, ">=": sign >= 0, "<": sign < 0, "<=": sign <= 0}[op]


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The parameters of a list call. ``after`` is the id of the last item of the page before."""

    properties: tuple[str, ...]
    conditions: tuple[Condition, ...]
    orderby: str | None
    limit: int
    count: bool
    after: str | None = None
    position: int = 0

    @classmethod
    def parse(cls, params: QueryParams, settings: Settings) -> ListQuery:
        """Read the parameters; a continuation token brings those of the first page along."""
        if unknown := [name for name in params if name not in _PARAMETERS]:
            raise bad_query("1451-400", f"the query parameter is not known: {unknown[0]}")
        if empty := [name for name, value in params.multi_items() if not value]:
            raise bad_query("1453-400", f"the query parameter is empty: {empty[0]}")
        cursor = _decode(params["continuationToken"]) if "continuationToken" in params else {}
        counts = params.get("count", "false").lower()  # clients in Python send "False"
        if counts not in ("true", "false"):
            raise bad_query("1452-400", f"count must be true or false: {counts}")
        count = counts == "true"
        limit = params.get("limit")
        if count and limit is not None:
            raise bad_query("1401-400", "limit can not be combined with count")
        if limit is not None and (not limit.isdecimal() or int(limit) < 1):
            raise bad_query("1452-400", f"limit must be a positive number: {limit}")
        orderby = params.get("orderby") or cursor.get("orderby")
        _check_order(orderby)
        properties = tuple(params.getlist("property") or cursor.get("property", ()))
        conditions = tuple(Condition.parse(text) for text in properties)
        if settings.bulk_refused and any(c.name == "id" and len(c.values) > 1 for c in conditions):
            raise bad_query("1443-400", "id takes one value")
        size = int(limit or cursor.get("limit") or settings.default_page_size)
        return cls(
            properties=properties,
            conditions=() if settings.list_ignores_filters else conditions,
            orderby=orderby,
            # What becomes of a limit above the largest page is unconfirmed: it is cut.
            limit=min(size, settings.max_page_size),
            count=count,
            after=cursor.get("after"),
            position=cursor.get("position", 0),
        )

    def values_of(self, name: str) -> tuple[str, ...] | None:
        """Return the values ``name==`` is to have, or null when the query does not say."""
        return next((c.values for c in self.conditions if c.name == name and c.op == "=="), None)

    def without(self, name: str) -> tuple[Condition, ...]:
        """Return the conditions but the first ``name==``, which an index has answered."""
        answered = next((c for c in self.conditions if c.name == name and c.op == "=="), None)
        return tuple(c for c in self.conditions if c is not answered)

    def page(self, items: Sequence[ItemT], resource: str, render: Callable[[ItemT], Json]) -> Json:
        """Return the answer for items that passed the filters, given newest first."""
        if self.count:
            return {"count": len(items)}
        items = self._sorted(items, render)
        start = 0
        if self.after is not None:
            # New items move all positions, so the page goes on after the last item the client has seen.
            ids = [item.id for item in items]
            start = ids.index(self.after) + 1 if self.after in ids else self.position
        page = items[start : start + self.limit]
        end = start + len(page)
        links: Json = {}
        if end < len(items):
            links["next"] = {"href": f"/{resource}?continuationToken={self._token(page[-1].id, end)}"}
        return {"items": [render(item) for item in page], "_links": links}

    def _sorted(self, items: Sequence[ItemT], render: Callable[[ItemT], Json]) -> Sequence[ItemT]:
        if self.orderby is None or self.orderby == "-createdAt":
            return items
        for field in reversed(self.orderby.split(",")):
            path = field.lstrip("+- ").split(".")  # an unescaped plus arrives as a blank

            def key(item: ItemT, path: Sequence[str] = path) -> tuple[bool, float, str]:
                value = next(iter(look_up(render(item), path)), None)
                number = value if isinstance(value, (int, float)) else 0.0
                return (value is not None, number, "" if value is None else str(value))

            items = sorted(items, key=key, reverse=field.startswith("-"))
        return items

    def _token(self, last_id: str, position: int) -> str:
        cursor = {
            "property": list(self.properties),
            "orderby": self.orderby,
            "limit": self.limit,
            "after": last_id,
            "position": position,
        }
        return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")


def _check_order(orderby: str | None) -> None:
    for field in orderby.split(",") if orderby else ():
        found = re.fullmatch(r"[+ -]?(?P<path>[A-Za-z][\w.]*)", field)
        if found is None:
            raise bad_query("1432-400", f"the sort order is not valid: {field}")
        if found["path"].split(".")[0] not in _FIELDS:
            raise bad_query("1433-400", f"orderby names no field: {field}")


def _decode(token: str) -> Json:
    try:
        cursor = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError) as exc:
        raise bad_query("1452-400", "continuationToken is not valid") from exc
    if not isinstance(cursor, dict):
        raise bad_query("1452-400", "continuationToken is not valid")
    return cursor
