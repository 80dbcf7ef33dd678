"""Adobe's OpenAPI files as a judge: whether a value fits, and which of its fields they do not document."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

FOLDER = Path(__file__).resolve().parent.parent / "promises" / "contract" / "openapi"


@dataclass(frozen=True)
class Specification:
    """One of Adobe's files.

    :param name: its file name without ending.
    :param base_path: path of its server.
    """

    name: str
    document: Mapping[str, Any]

    @property
    def base_path(self) -> str:
        return str(self.document["servers"][0]["url"]).removeprefix("https://platform.adobe.io")

    def resolve(self, node: Any) -> Any:
        """Follow ``$ref``."""
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def schema(self, name: str) -> dict[str, Any]:
        return {"$ref": f"#/components/schemas/{name}"}

    def faults(self, value: object, schema: Mapping[str, Any]) -> list[str]:
        """Return what in a value does not fit, as ``path: message``."""
        registry = Registry().with_resource(f"urn:{self.name}", Resource(contents=self.document, specification=DRAFT4))
        validator = OAS30Validator(self._anchored(schema), registry=registry)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def _anchored(self, node: Any) -> Any:
        """Make the references of a schema absolute, for it is validated apart from its document."""
        if isinstance(node, list):
            return [self._anchored(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {key: f"urn:{self.name}{item}" if key == "$ref" else self._anchored(item) for key, item in node.items()}

    def undocumented(self, value: object, schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
        """Yield the paths of fields that the schema does not name; ``[]`` stands for every item of a list."""
        known = self.resolve(schema)
        if isinstance(value, list):
            for item in value:
                yield from self.undocumented(item, known.get("items", {}), f"{path}[]")
        elif isinstance(value, dict):
            open_to = known.get("additionalProperties")
            for key, item in value.items():
                here = f"{path}.{key}" if path else key
                if key in known.get("properties", {}):
                    yield from self.undocumented(item, known["properties"][key], here)
                elif isinstance(open_to, dict):
                    yield from self.undocumented(item, open_to, here)
                else:
                    yield here

    def operation(self, method: str, path: str) -> dict[str, Any]:
        """Return the documented operation for a request."""
        local = path.removeprefix(self.base_path)
        assert local != path, f"{path} is not below {self.base_path}"
        for template, operations in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template)), local):
                found: dict[str, Any] = operations[method.lower()]
                return found
        raise AssertionError(f"{local} is not documented")

    def parameters(self, operation: Mapping[str, Any], place: str) -> dict[str, dict[str, Any]]:
        """Return the documented parameters of an operation: name in lower case → parameter."""
        resolved = (self.resolve(parameter) for parameter in operation["parameters"])
        return {item["name"].lower(): item for item in resolved if item["in"] == place}

    def examples(self) -> Iterator[tuple[str, Any]]:
        """Yield every example of an answer or request: name → value."""
        for name, example in self.document["components"].get("examples", {}).items():
            yield name, example["value"]
        for operations in self.document["paths"].values():
            for operation in operations.values():
                bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
                for body in bodies:
                    for content in body.get("content", {}).values():
                        if "example" in content:
                            yield f"{operation['operationId']} example", content["example"]
                        for name, example in content.get("examples", {}).items():
                            if "value" in example:
                                yield f"{operation['operationId']} {name}", example["value"]

    def composed(self, schema: Mapping[str, Any]) -> Any:
        """Return the value that the ``example`` of every field adds up to; None where there is none."""
        known = self.resolve(schema)
        if "example" in known:
            return known["example"]
        if known.get("type") == "array":
            return [self.composed(known["items"])]
        fields = {key: self.composed(item) for key, item in known.get("properties", {}).items()}
        return {key: item for key, item in fields.items() if item is not None} or None


class _Loader(yaml.CSafeLoader):
    """Reads dates as the texts they are in JSON."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as yaml has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@functools.cache
def specification(name: str) -> Specification:
    """Read one of Adobe's files."""
    return Specification(name, yaml.load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), _Loader))  # noqa: S506 - a safe one
