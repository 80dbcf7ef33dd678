"""Blocks of settings: one model each, for a block of a campaign file and for Python code alike.

In a file their faults carry line and key (:mod:`.campaigns.reading`), in Python they come as one
:class:`~.errors.AepInputError`; the words are the same.
"""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from adobe_experience_platform.aep import one_line, short_repr
from adobe_experience_platform.errors import AepInputError

Path = tuple[str | int, ...]

_KINDS = {
    "string": "text",
    "int": "a whole number, without quotes",
    "float": "a number, without quotes",
    "bool": "true or false",
    "list": "a list",
    "dict": "a block of keys",
    "model": "a block of keys",
}


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Tell editors the first paragraph of a docstring; the parameters describe themselves."""
    schema["description"] = (model.__doc__ or "").partition("\n\n")[0]


class Block(BaseModel):
    """A block of keys: no others, and no guessing of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=_describe, defer_build=True)


class Terms(Block):
    """A block that Python code may also make by a call, with every fault in one :class:`~.errors.AepInputError`."""

    fault_intro: ClassVar[str] = "Invalid input."

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise AepInputError(faults_of(error, type(self)), intro=self.fault_intro) from None

    # pydantic then does not call the above for a block within a model, whose faults need their place in it.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


class Short:
    """An annotation: the value may also have a short form, which ``read`` turns into the long one (others stay)."""

    def __init__(self, schema: Mapping[str, Any], read: Callable[[object], object]) -> None:
        self._schema = dict(schema)
        self._read = read

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the short form first."""
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Offer both forms to editors."""
        return {"anyOf": [self._schema, handler(core)]}


def as_list(value: object) -> object:
    """Return one text as a list of it, and anything else that can be listed as a list."""
    if isinstance(value, str):
        return [value]
    return list(value) if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes) else value


ONE_OR_MORE = Short({"type": "string"}, as_list)


def fault_at(faults: Iterable[tuple[Path, str]]) -> ValidationError:
    """Return the error of a validator that looks at several keys: (path, what is wrong there)."""
    return ValidationError.from_exception_data(
        "",
        [
            InitErrorDetails(type=PydanticCustomError("fault", "{what}", {"what": what}), loc=path, input=None)
            for path, what in faults
        ],
    )


def faults_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one line per fault, for Python code: which argument, what is wrong, what to do."""
    found = [(tuple(item["loc"]), item) for item in error.errors(include_url=False, include_context=False)]
    return [f"{dotted(path)}: {what}" if path else what for path, item in found for what in [describe(item, model)]]


def describe(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """Say what is wrong and what to do; ``model`` is the outermost block."""
    kind, path, given = fault["type"], tuple(fault["loc"]), short_repr(fault.get("input"), 60)
    if kind == "fault":
        return fault["msg"]
    if kind == "value_error":
        return fault["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return _unknown(path, model)
    if kind == "too_short":
        return "this is empty: list at least one value, or leave it out"
    if kind == "missing":
        return "this key is missing: add it"
    if kind == "literal_error":
        choices = re.findall(r"'(.*?)'", fault["msg"])
        return f"{given} is not possible: choose {' or '.join(choices) or fault['msg']}"
    if kind.endswith("_type") and (wanted := _KINDS.get(kind.removesuffix("_type"))):
        return f"{given} is not what belongs here: write {wanted}"
    return f"{given} is not possible: {fault['msg'].replace('Input should', 'it should')}"


def dotted(path: Path) -> str:
    """Return a path as people write it, such as ``deliver[0].audiences``."""
    text = ""
    for step in path:
        if step == "[key]":
            continue
        text += f"[{step}]" if isinstance(step, int) else f"{'.' if text else ''}{one_line(step, 60)}"
    return text


def _unknown(path: Path, model: type[BaseModel]) -> str:
    key = str(path[-1])
    block = _block_at(path[:-1], model)
    allowed = [field.alias or name for name, field in block.model_fields.items()] if block else []
    near = difflib.get_close_matches(key[:100].lower(), allowed, 1, 0.7)
    if near:
        return f"the key {short_repr(key, 60)} is unknown: did you mean {near[0]!r}?"
    if key in model.model_fields and len(path) > 1:
        return f"the key {short_repr(key, 60)} does not belong here: put it at the beginning of a line of its own"
    return f"the key {short_repr(key, 60)} is unknown: correct or remove it (keys here: {', '.join(allowed)})"


def _block_at(path: Path, model: type[BaseModel]) -> type[BaseModel] | None:
    """Return the block that a path leads to."""
    block: type[BaseModel] | None = model
    for step in path:
        if isinstance(step, str):
            if block is None or step not in block.model_fields:
                return None
            block = _block_in(block.model_fields[step].annotation)
    return block


def _block_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, Block):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _block_in(part))), None)
