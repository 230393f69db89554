"""The three kinds of patch besides server-side apply: merge, JSON and strategic merge."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch

from fleet_portal.demo.apiserver.errors import ApiError, bad_request
from fleet_portal.demo.apiserver.schemas import ANY, Type, merges_primitives

_ORDER = "$setElementOrder/"
_DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"
_RETAIN = "$retainKeys"


def merge_patch(target: Any, patch: Any) -> Any:
    """Return the target after a JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Any, operations: Any) -> Any:
    """Return the target after a JSON patch (RFC 6902). Raises ApiError where it does not fit."""
    try:
        return jsonpatch.apply_patch(copy.deepcopy(target), operations)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"error decoding patch: {error}") from error
    except jsonpatch.JsonPatchException as error:
        text = "the server rejected our request due to an error in our request"
        raise ApiError(422, "Invalid", text, {}) from error


def strategic_patch(kind: Type, target: Any, patch: Any) -> Any:
    """Return the target after a strategic merge patch, directives included."""
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    if directive == "delete":
        return {}
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    merged = dict(target) if isinstance(target, dict) else {}
    if _RETAIN in patch:
        merged = {key: value for key, value in merged.items() if key in patch[_RETAIN]}
    for key, value in patch.items():
        if key.startswith(_DELETE_PRIMITIVES):
            name = key.removeprefix(_DELETE_PRIMITIVES)
            merged[name] = [item for item in merged.get(name, []) if item not in value]
        elif not key.startswith("$"):
            _patch_field(kind, merged, key, value)
    for key, value in patch.items():
        if key.startswith(_ORDER):
            _reorder(kind, merged, key.removeprefix(_ORDER), value)
    return merged


def _patch_field(kind: Type, merged: dict[str, Any], key: str, value: Any) -> None:
    of = kind.child(key) if kind.shape in ("struct", "map", "any") else ANY
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, list) and of.shape == "list" and of.merge_key:
        merged[key] = _patch_items(of, merged.get(key) or [], value)
    elif isinstance(value, list) and merges_primitives(of):
        before = merged.get(key) or []
        merged[key] = [*before, *(item for item in value if item not in before)]
    elif isinstance(value, dict):
        merged[key] = strategic_patch(of, merged.get(key), value)
    else:
        merged[key] = value


def _patch_items(kind: Type, before: list[Any], patch: list[Any]) -> list[Any]:
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if item.get("$patch") != "replace"]
    key = kind.merge_key
    items = {item.get(key): item for item in before}
    for change in patch:
        if key not in change:
            raise bad_request(f"map: {change} does not contain declared merge key: {key}")
        if change.get("$patch") == "delete":
            items.pop(change[key], None)
        else:
            items[change[key]] = strategic_patch(kind.element, items.get(change[key]), change)
    return list(items.values())


def _reorder(kind: Type, merged: dict[str, Any], name: str, order: list[Any]) -> None:
    items = merged.get(name)
    if not items:
        return
    key = kind.child(name).merge_key
    wanted = [item.get(key) if isinstance(item, dict) else item for item in order]

    def place(item: Any) -> int:
        value = item.get(key) if isinstance(item, dict) else item
        return wanted.index(value) if value in wanted else len(wanted)

    merged[name] = sorted(items, key=place)
