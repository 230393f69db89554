"""Reads what a request sent: YAML or JSON, unknown fields told as strict decoding tells them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml

from fleet_portal.demo.apiserver.errors import ApiError, bad_request, untyped
from fleet_portal.demo.apiserver.kinds import BY_KIND, ResourceType
from fleet_portal.demo.apiserver.schemas import Type, type_of_resource


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """A safe loader that leaves timestamps as text, as JSON would have them."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(body: bytes, media_type: str) -> Any:
    """Return the value a body holds. Raises ApiError 400 for text that can't be read."""
    try:
        if "yaml" in media_type and not body.lstrip().startswith(b"{"):
            return yaml.load(body, _Loader)  # noqa: S506 - derived from SafeLoader
        return json.loads(body) if body else None
    except (ValueError, yaml.YAMLError) as error:
        raise bad_request(f"error decoding the body: {error}") from error


def without_nulls(value: Any) -> Any:
    """Return the value without null members, which mean absence wherever they stand."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def decode(resource: ResourceType, sent: Any) -> dict[str, Any]:
    """Return an object of the resource's kind. Raises ApiError 400 for anything else."""
    if not isinstance(sent, dict):
        raise bad_request("the body of the request is not an object")
    sent = without_nulls(sent)
    kind, version = sent.get("kind"), sent.get("apiVersion")
    if kind is None and version is None:
        sent = {"kind": resource.kind, "apiVersion": resource.api_version, **sent}
    elif (kind, version) != (resource.kind, resource.api_version):
        raise bad_request(_wrong_kind(resource, kind, version))
    sent.setdefault("metadata", {})
    return dict(sent)


def _wrong_kind(resource: ResourceType, kind: Any, version: Any) -> str:
    if BY_KIND.get((str(version).rpartition("/")[0], kind)) and version != resource.api_version:
        return (
            f"the API version in the data ({version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    return (
        f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        f'no kind "{kind}" is registered for version "{version}" in scheme "simulated"'
    )


def check_types(resource: ResourceType, obj: dict[str, Any]) -> None:
    """Raise ApiError 400 for a value of another type than its field's, as a Go decoder does."""
    for path, expected, value in _wrong_types(type_of_resource(resource), obj, ""):
        found = _JSON_NAMES.get(type(value), "number")
        where, wanted = path.lstrip("."), _GO_NAMES.get(expected, expected)
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: json: cannot unmarshal {found} into Go struct field {where} of "
            f"type {wanted}"
        )


def check_applied(resource: ResourceType, obj: dict[str, Any]) -> None:
    """Raise ApiError 500, as server-side apply does, for what does not fit the schema."""
    kind = type_of_resource(resource)
    says = [f".{path}: field not declared in schema" for path in unknown_fields(kind, obj)]
    for path, expected, value in _wrong_types(kind, obj, ""):
        wanted = _SCHEMA_NAMES.get(expected, expected)
        says.append(f"{path}: expected {wanted}, got {_JSON_NAMES.get(type(value), 'number')}")
    if says:
        raise untyped(resource.api_version, resource.kind, obj["metadata"], says[0])


_JSON_NAMES = {str: "string", bool: "bool", dict: "object", list: "array", int: "number"}
_GO_NAMES = {"integer": "int32", "boolean": "bool", "number": "float64"}
_SCHEMA_NAMES = {
    "integer": "numeric (int or float)",
    "number": "numeric (int or float)",
    "[]": "list",
}


def _wrong_types(kind: Type, value: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    """Yield (path, type it should have, value) of values that don't fit their fields."""
    expected = _unfitting(kind, value)
    if expected:
        yield path, expected, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _wrong_types(kind.child(name), inner, f"{path}.{name}")
    elif isinstance(value, list) and kind.shape == "list":
        for item in value:
            yield from _wrong_types(kind.element, item, path)


def _unfitting(kind: Type, value: Any) -> str:
    if kind.shape in ("struct", "map"):
        return "" if isinstance(value, dict) else "map"
    if kind.shape == "list":
        return "" if isinstance(value, list) else "[]"
    if kind.shape != "scalar":
        return ""
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, (int, float))
        and not isinstance(value, bool)
        and value == int(value),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
    }.get(kind.scalar, isinstance(value, (str, int, float)))
    return "" if fits else kind.scalar


def unknown_fields(kind: Type, value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths that the kind does not declare: `spec.template.spec.containers[0].x`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            where = f"{path}.{name}" if path else name
            if kind.shape == "struct" and not kind.open_ended and not kind.declares(name):
                yield where
            else:
                yield from unknown_fields(kind.child(name), inner, where)
    elif isinstance(value, list) and kind.shape == "list":
        for index, item in enumerate(value):
            yield from unknown_fields(kind.element, item, f"{path}[{index}]")


def without_unknown(kind: Type, value: Any) -> Any:
    """Return the value with undeclared fields dropped, as a non-strict decoder drops them."""
    if isinstance(value, dict) and kind.shape in ("struct", "map"):
        return {
            name: without_unknown(kind.child(name), inner)
            for name, inner in value.items()
            if kind.shape == "map" or kind.open_ended or kind.declares(name)
        }
    if isinstance(value, list) and kind.shape == "list":
        return [without_unknown(kind.element, item) for item in value]
    return value


def check_fields(resource: ResourceType, obj: dict[str, Any], directive: str) -> list[str]:
    """Return warnings for unknown fields, or raise ApiError 400 where the client asked Strict."""
    if directive == "Ignore":
        return []
    unknown = list(unknown_fields(type_of_resource(resource), obj))
    if not unknown:
        return []
    said = [f'unknown field "{path}"' for path in sorted(unknown)]
    if directive == "Strict":
        raise ApiError(
            400,
            "BadRequest",
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: strict decoding error: {', '.join(said)}",
        )
    return said
