"""What each kind may hold: types compiled from schemas.json, shared by every simulated cluster.

A type knows what server-side apply needs of it (is a map or list merged by its members, or one
leaf; which keys name a list's items), what a strict decoder needs (known fields, scalar types) and
what strategic merge patches need (merge keys). Nested kinds refer to each other, so that types are
built when first asked for.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fleet_portal.demo.apiserver.kinds import ResourceType
from fleet_portal.demo.apiserver.record import SCHEMAS_FILE

_REF_PREFIX = "#/components/schemas/"
_NO_DEFAULT = object()


@dataclass(slots=True, eq=False)
class Type:
    """One node of a schema.

    `shape`: "struct" (named fields), "map" (any key), "list", "scalar" or "any" (anything goes).
    `atomic`: server-side apply treats the whole value as one field.
    `keys`: fields that name a list's items; `is_set`: the items name themselves.
    """

    shape: str
    scalar: str = ""
    format: str = ""
    atomic: bool = False
    is_set: bool = False
    keys: tuple[str, ...] = ()
    merge_key: str = ""
    default: Any = _NO_DEFAULT
    open_ended: bool = False
    raw: dict[str, Any] = field(default_factory=dict)
    _element: Type | None = None
    _always: dict[str, Any] | None = None
    _fields: dict[str, Type] = field(default_factory=dict)

    @property
    def element(self) -> Type:
        """Return the type of a list's items or of a map's values."""
        if self._element is None:
            key = "items" if self.shape == "list" else "additionalProperties"
            inner = self.raw.get(key)
            self._element = compile_type(inner) if isinstance(inner, dict) else self._inherited()
        return self._element

    def _inherited(self) -> Type:
        return ANY if self.open_ended or not self.atomic else ANY_ATOMIC

    def field(self, name: str) -> Type | None:
        """Return the type of a struct's field, or None for a name it does not declare."""
        known = self._fields.get(name)
        if known is None:
            raw = self.raw.get("properties", {}).get(name)
            if raw is None:
                return None
            known = self._fields[name] = compile_type(raw)
        return known

    def field_names(self) -> Iterator[str]:
        return iter(self.raw.get("properties", {}))

    def always_there(self) -> dict[str, Any]:
        """Return the fields that are present wherever this struct is, with their empty value.

        In Go these are structs that are no pointers, and lists that are not optional.
        """
        if self._always is None:
            properties, required = self.raw.get("properties", {}), self.raw.get("required", ())
            structs: dict[str, Any] = {
                n: {} for n, p in properties.items() if p.get("default") == {}
            }
            lists: dict[str, Any] = {
                n: [] for n in required if properties.get(n, {}).get("type") == "array"
            }
            self._always = lists | structs
        return self._always

    def child(self, name: str) -> Type:
        """Return the type below a key, whatever the shape; unknown fields are of any type."""
        if self.shape in ("struct", "any"):
            return self.field(name) or ANY
        return self.element

    def declares(self, name: str) -> bool:
        return name in self.raw.get("properties", {})

    @property
    def has_default(self) -> bool:
        return self.default is not _NO_DEFAULT


ANY = Type("any", open_ended=True)
ANY_ATOMIC = Type("any", atomic=True, open_ended=True)


@functools.cache
def raw_schemas() -> dict[str, Any]:
    """Return every recorded schema by name, descriptions included."""
    loaded: dict[str, Any] = json.loads(SCHEMAS_FILE.read_text(encoding="utf-8"))
    return loaded


@functools.cache
def _names_by_kind() -> dict[tuple[str, str, str], str]:
    names: dict[tuple[str, str, str], str] = {}
    for name, schema in raw_schemas().items():
        for entry in schema.get("x-kubernetes-group-version-kind", []):
            names.setdefault((entry.get("group", ""), entry["version"], entry["kind"]), name)
    return names


def schema_name(group: str, version: str, kind: str) -> str | None:
    """Return the component name of a kind's schema, or None where none was recorded."""
    return _names_by_kind().get((group, version, kind))


@functools.cache
def _named_type(name: str) -> Type:
    return compile_type(raw_schemas()[name])


def type_of(group: str, version: str, kind: str) -> Type:
    """Return the type of a kind's whole object."""
    name = schema_name(group, version, kind)
    return _named_type(name) if name else ANY


def type_of_resource(resource: ResourceType) -> Type:
    return type_of(resource.group, resource.version, resource.kind)


def compile_type(raw: dict[str, Any]) -> Type:
    """Return the type of a schema node; a reference with siblings takes the siblings' word."""
    target = _reference(raw)
    if target is not None:
        return _with_siblings(_named_type(target), raw)
    kind = raw.get("type", "")
    if raw.get("x-kubernetes-int-or-string") or raw.get("format") == "int-or-string":
        return Type("scalar", "int-or-string", raw=raw, default=_default(raw))
    if "oneOf" in raw and not kind:
        return Type("scalar", "quantity", raw=raw, default=_default(raw))
    if kind == "array":
        return _list_type(raw)
    if kind == "object" or "properties" in raw:
        return _object_type(raw)
    if kind in ("string", "integer", "number", "boolean"):
        return Type("scalar", kind, raw.get("format", ""), raw=raw, default=_default(raw))
    return ANY if raw.get("x-kubernetes-preserve-unknown-fields") else ANY_ATOMIC


def _reference(raw: dict[str, Any]) -> str | None:
    if isinstance(raw.get("$ref"), str):
        return str(raw["$ref"]).removeprefix(_REF_PREFIX)
    parts = raw.get("allOf")
    if isinstance(parts, list) and len(parts) == 1 and "$ref" in parts[0]:
        return str(parts[0]["$ref"]).removeprefix(_REF_PREFIX)
    return None


def _with_siblings(named: Type, raw: dict[str, Any]) -> Type:
    if "default" not in raw and "x-kubernetes-map-type" not in raw:
        return named
    atomic = raw.get("x-kubernetes-map-type") == "atomic" or named.atomic
    return Type(
        named.shape, named.scalar, named.format, atomic, named.is_set, named.keys,
        named.merge_key, _default(raw), named.open_ended, named.raw,
    )  # fmt: skip


def _default(raw: dict[str, Any]) -> Any:
    return raw.get("default", _NO_DEFAULT)


def _list_type(raw: dict[str, Any]) -> Type:
    relation = raw.get("x-kubernetes-list-type", "atomic")
    return Type(
        "list",
        atomic=relation == "atomic",
        is_set=relation == "set",
        keys=tuple(sorted(raw.get("x-kubernetes-list-map-keys", ()))),
        merge_key=raw.get("x-kubernetes-patch-merge-key", "")
        if "merge" in raw.get("x-kubernetes-patch-strategy", "").split(",")
        else "",
        default=_default(raw),
        raw=raw,
    )


def _object_type(raw: dict[str, Any]) -> Type:
    atomic = raw.get("x-kubernetes-map-type") == "atomic"
    open_ended = bool(raw.get("x-kubernetes-preserve-unknown-fields"))
    if "properties" in raw:
        return Type("struct", atomic=atomic, open_ended=open_ended, default=_default(raw), raw=raw)
    if isinstance(raw.get("additionalProperties"), dict):
        return Type("map", atomic=atomic, default=_default(raw), raw=raw)
    return ANY if open_ended else ANY_ATOMIC


def merges_primitives(kind: Type) -> bool:
    """Return whether a strategic merge patch joins this list of plain values."""
    return (
        kind.shape == "list"
        and kind.raw.get("x-kubernetes-patch-strategy") == "merge"
        and (kind.element.shape == "scalar")
    )
