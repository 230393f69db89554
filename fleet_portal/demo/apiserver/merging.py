"""Typed walks over objects: which fields a value has, what differs, what a merge gives.

Follows structured-merge-diff, which server-side apply is built on: structs and maps merge by key,
keyed lists by their keys, sets by value; atomic values and scalars are leaves. An empty map or list
that meets nothing counts as a leaf too, so that "empty" and "absent" stay apart. None is absence:
nulls are dropped from what is sent before it comes here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fleet_portal.demo.apiserver.fieldsets import (
    FieldSet,
    Path,
    children,
    field_element,
    from_paths,
    is_member,
    key_element,
    make_node,
    value_element,
)
from fleet_portal.demo.apiserver.schemas import Type


class MergeError(ValueError):
    """A value does not fit its type; the text says where."""


@dataclass(slots=True)
class Comparison:
    """The paths that came, changed and went between two values."""

    added: FieldSet = field(default_factory=dict)
    modified: FieldSet = field(default_factory=dict)
    removed: FieldSet = field(default_factory=dict)


def item_element(kind: Type, item: Any) -> str:
    """Return the path element of an item of a keyed list or of a set.

    Raises MergeError where an item lacks a key that has no default.
    """
    if not kind.keys:
        return value_element(item)
    names = {}
    for key in kind.keys:
        value = item.get(key) if isinstance(item, dict) else None
        declared = kind.element.field(key)
        if value is None and declared is not None and declared.has_default:
            value = declared.default
        if value is None:
            raise MergeError(f"associative list with keys has an element that omits key {key!r}")
        names[key] = value
    return key_element(names)


def _descends(kind: Type, value: Any) -> str:
    """Return "map" or "list" where the value is merged by its members, else ""."""
    if kind.atomic:
        return ""
    if isinstance(value, dict) and kind.shape in ("struct", "map", "any"):
        return "map"
    if isinstance(value, list) and kind.shape == "list":
        return "list"
    return ""


def _items(kind: Type, value: Any) -> Iterator[tuple[str, Type, Any]]:
    for item in value:
        yield item_element(kind, item), kind.element, item


def field_set(kind: Type, value: Any) -> FieldSet:
    """Return the fields a value sets, as an applier that sent it would own them."""
    shape = _descends(kind, value)
    fields: FieldSet = {}
    if shape == "map":
        for name, inner in value.items():
            below = field_set(kind.child(name), inner)
            leaf = not _descends(kind.child(name), inner) or inner == {}
            node = make_node(leaf or not kind.declares(name), below)
            if node is not None:
                fields[field_element(name)] = node
    elif shape == "list":
        for element, of, item in _items(kind, value):
            fields[element] = make_node(True, field_set(of, item)) or {}
    return fields


def compare(kind: Type, old: Any, new: Any) -> Comparison:
    """Return what differs from `old` to `new`."""
    added: list[Path] = []
    modified: list[Path] = []
    removed: list[Path] = []

    def visit(of: Type, before: Any, after: Any, path: Path) -> None:
        if _is_leaf(of, before, after):
            if before is None:
                added.append(path)
            elif after is None:
                removed.append(path)
            elif before != after:
                modified.append(path)
            return
        for element, inner, left, right in _pairs(of, before, after):
            visit(inner, left, right, (*path, element))
        if path and before is None:
            added.append(path)
        elif path and after is None:
            removed.append(path)

    if old != new:
        visit(kind, old, new, ())
    return Comparison(from_paths(added), from_paths(modified), from_paths(removed))


def _is_leaf(kind: Type, before: Any, after: Any) -> bool:
    shapes = {_descends(kind, v) for v in (before, after) if v is not None}
    if len(shapes) != 1 or "" in shapes:
        return True
    return not _has_members(before) and not _has_members(after)


def _has_members(value: Any) -> bool:
    return isinstance(value, (dict, list)) and bool(value)


def _pairs(kind: Type, before: Any, after: Any) -> Iterator[tuple[str, Type, Any, Any]]:
    left, right = _members(kind, before), _members(kind, after)
    for element in left | right:
        of = (left.get(element) or right[element])[0]
        yield (
            element,
            of,
            left[element][1] if element in left else None,
            right[element][1] if element in right else None,
        )


def _members(kind: Type, value: Any) -> dict[str, tuple[Type, Any]]:
    shape = _descends(kind, value)
    if shape == "map":
        members = {field_element(name): (kind.child(name), v) for name, v in value.items()}
        for name, empty in kind.always_there().items():
            members.setdefault(field_element(name), (kind.child(name), empty))
        return members
    if shape == "list":
        return {element: (of, item) for element, of, item in _items(kind, value)}
    return {}


def merge(kind: Type, live: Any, applied: Any) -> Any:
    """Return the live value with the applied one merged over it."""
    if _is_leaf(kind, live, applied):
        return applied
    if _descends(kind, applied) == "map":
        merged = dict(live or {})
        for name, value in applied.items():
            merged[name] = merge(kind.child(name), merged.get(name), value)
        return merged
    return _merge_items(kind, live or [], applied)


def _merge_items(kind: Type, live: list[Any], applied: list[Any]) -> list[Any]:
    """Merge keyed lists: the applied order wins, live-only items stay after their neighbour."""
    before = {item_element(kind, item): item for item in live}
    after = {item_element(kind, item): item for item in applied}
    if len(after) != len(applied):
        raise MergeError("duplicate entries for key in an associative list")
    order: list[str] = []
    waiting = list(after)
    for element in before:
        if element not in after:
            order.append(element)
        elif element in waiting:
            # A shared item pulls along the applied items that stand before it.
            position = waiting.index(element) + 1
            order.extend(waiting[:position])
            waiting = waiting[position:]
    order.extend(waiting)
    return [
        merge(kind.element, before.get(element), after[element])
        if element in after
        else before[element]
        for element in order
    ]


def remove(kind: Type, value: Any, fields: FieldSet) -> Any:
    """Return the value without the given fields; containers emptied by it stay, empty."""
    shape = _descends(kind, value)
    if not fields or not shape:
        return value
    if shape == "map":
        kept = {}
        for name, inner in value.items():
            node = fields.get(field_element(name))
            if node is None:
                kept[name] = inner
            elif not is_member(node):
                kept[name] = remove(kind.child(name), inner, node)
        return kept
    items = []
    for element, of, item in _items(kind, value):
        node = fields.get(element)
        if node is None:
            items.append(item)
        elif not is_member(node):
            items.append(remove(of, item, node))
    return items


def with_named_members(kind: Type, fields: FieldSet) -> FieldSet:
    """Return the set with each declared field on the way to a member made a member too."""
    whole: FieldSet = {}
    for element, node in fields.items():
        named = element.startswith("f:") and kind.declares(element[2:])
        inner = kind.child(element[2:]) if element.startswith("f:") else kind.element
        below = with_named_members(inner, children(node)) if node else {}
        whole[element] = make_node(is_member(node) or named, below) or {}
    whole.pop(".", None)
    return whole
