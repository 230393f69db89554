"""Sets of fields in the form that managedFields carry them (fieldsV1), and their algebra.

A set is a tree of plain dicts. Keys are path elements: `f:NAME`, `k:{"KEY":…}` for items of keyed
lists, `v:VALUE` for items of sets. An empty dict, or one with ".", says that the path up to here is
itself in the set. The empty tree at the top is the empty set. Nothing here changes an argument.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

FieldSet = dict[str, Any]
Path = tuple[str, ...]
SELF = "."


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def field_element(name: str) -> str:
    return f"f:{name}"


def value_element(value: Any) -> str:
    return f"v:{compact(value)}"


def key_element(keys: dict[str, Any]) -> str:
    return f"k:{compact(keys)}"


def from_paths(members: Iterable[Path]) -> FieldSet:
    """Return the set that holds exactly these paths."""
    fields: FieldSet = {}
    reached: list[FieldSet] = []
    for path in members:
        node = fields
        for element in path:
            node = node.setdefault(element, {})
        reached.append(node)
    for node in reached:
        # A node without children is a member by being empty.
        if node:
            node[SELF] = {}
    return fields


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    joined = dict(left)
    for element, node in right.items():
        known = joined.get(element)
        joined[element] = node if known is None else _join(known, node)
    return joined


def _join(left: FieldSet, right: FieldSet) -> FieldSet:
    if not left and not right:
        return {}
    inner = union(children(left), children(right))
    return make_node(is_member(left) or is_member(right), inner) or {}


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths of `left` that `right` does not name; paths below stay."""
    kept = {}
    for element, node in left.items():
        other = right.get(element)
        rest = node if other is None else _subtract(node, other)
        if rest is not None:
            kept[element] = rest
    return kept


def _subtract(node: FieldSet, other: FieldSet) -> FieldSet | None:
    member = is_member(node) and not is_member(other)
    return make_node(member, difference(children(node), children(other)))


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    shared = {}
    for element, node in left.items():
        other = right.get(element)
        if other is None:
            continue
        both = make_node(
            is_member(node) and is_member(other),
            intersection(children(node), children(other)),
        )
        if both is not None:
            shared[element] = both
    return shared


def without_below(fields: FieldSet, roots: list[Path]) -> FieldSet:
    """Return the set without the given paths and everything below them."""
    for root in roots:
        fields = _cut(fields, root)
    return fields


def _cut(fields: FieldSet, root: Path) -> FieldSet:
    head, rest = root[0], root[1:]
    if head not in fields:
        return fields
    kept = {element: node for element, node in fields.items() if element != head}
    if rest and fields[head]:
        node = make_node(is_member(fields[head]), _cut(children(fields[head]), rest))
        if node is not None:
            kept[head] = node
    elif rest:
        kept[head] = fields[head]
    return kept


def has(fields: FieldSet, path: Path) -> bool:
    node: FieldSet | None = fields
    for element in path:
        node = node.get(element) if node is not None else None
        if node is None:
            return False
    return is_member(node or {})


def paths(fields: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """Yield every path of the set, a path before those below it."""
    for element in sorted(fields):
        if element == SELF:
            continue
        node = fields[element]
        if is_member(node):
            yield (*prefix, element)
        yield from paths(children(node), (*prefix, element))


def readable(path: Path) -> str:
    """Return a path as conflict messages show it: `.spec.containers[name="web"].image`."""
    return "".join(_readable_element(element) for element in path)


def _readable_element(element: str) -> str:
    if element.startswith("f:"):
        return f".{element[2:]}"
    if element.startswith("k:"):
        keys = json.loads(element[2:])
        inner = ",".join(f"{name}={compact(value)}" for name, value in sorted(keys.items()))
        return f"[{inner}]"
    return f"[={element[2:]}]"


def is_member(node: FieldSet) -> bool:
    """Return whether the path that leads to this node is itself in the set."""
    return not node or SELF in node


def children(node: FieldSet) -> FieldSet:
    """Return the set of paths below a node."""
    return {e: n for e, n in node.items() if e != SELF} if SELF in node else node


def make_node(member: bool, inner: FieldSet) -> FieldSet | None:
    """Return the node for a path that is in the set or not, with what is below; None if empty."""
    if not inner:
        return {} if member else None
    return {SELF: {}, **inner} if member else inner
