"""Read YAML into objects, refusing what would hurt: size, depth, aliases that explode. Pure.

Scalars follow YAML 1.1 as kubectl reads it, with two of its traps left out: `12:30` and dates
stay text. Everything returned is plain JSON data; every refusal is a sentence with the place.
Callers run this in a side process with limits of time and memory (`deployments/parsing.py`).
"""

import re
from typing import Any

import yaml

from clusters.domain.objects import KubeObject
from deployments.domain.sentences import Refusal
from fleet_portal.common.text import N_

MAX_TEXT_BYTES = 4 * 1024 * 1024
MAX_OBJECTS = 1000
MAX_DEPTH = 64
MAX_VALUES = 400_000
# What aliases may unfold to: four times the largest text.
MAX_UNFOLDED_BYTES = 16 * 1024 * 1024
FIELD = "manifests"

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_TRUE = {"yes", "true", "on"}
_INT = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|(0|[1-9][0-9_]*))")


def parse_manifests(text: str) -> list[KubeObject]:
    """Return the objects of all documents in their order, with `*List` kinds flattened.

    Raises Refusal. Objects are only known to be mappings: `content.py` looks inside.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_TEXT_BYTES:
        raise Refusal(
            N_("The manifests have %(size)s MiB; at most 4 MiB fit in one revision: split them."),
            FIELD,
            size=f"{size / 1024 / 1024:.1f}",
        )
    try:
        _check_shape(text)
        documents = [_document(node) for node in yaml.compose_all(text, Loader=_Loader)]
    except yaml.YAMLError as error:
        raise _unreadable(error) from None
    objects: list[KubeObject] = []
    for number, document in enumerate(documents, start=1):
        if document is not None:
            objects += _flatten(document, number)
    if not objects:
        raise Refusal(N_("There is no object in the manifests: paste at least one."), FIELD)
    if len(objects) > MAX_OBJECTS:
        raise Refusal(
            N_("The manifests hold %(count)d objects; at most %(most)d fit: split them."),
            FIELD,
            count=len(objects),
            most=MAX_OBJECTS,
        )
    return objects


def _unreadable(error: yaml.YAMLError) -> Refusal:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "syntax")
    if mark is None:
        return Refusal(N_("This is not YAML: %(problem)s. Correct it."), FIELD, problem=problem)
    return Refusal(
        N_("This is not YAML: %(problem)s at line %(line)d, column %(column)d. Correct it there."),
        FIELD,
        problem=problem,
        line=mark.line + 1,
        column=mark.column + 1,
    )


def _check_shape(text: str) -> None:
    """Refuse depth and numbers of values before anything is built from them."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        values += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise Refusal(
                N_("Line %(line)d is nested more than %(most)d deep; no Kubernetes object is."),
                FIELD,
                line=event.start_mark.line + 1 if event.start_mark else 0,
                most=MAX_DEPTH,
            )
        if values > MAX_VALUES:
            raise Refusal(
                N_("The manifests hold more than %(most)d values: split them."),
                FIELD,
                most=MAX_VALUES,
            )


def _document(node: yaml.Node | None) -> Any:
    if node is None:
        return None
    _Unfolding().measure(node)
    return _value(node)


class _Unfolding:
    """Measure what a document becomes once every alias is written out."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[int, int, int]] = {}
        self._open: set[int] = set()

    def measure(self, node: yaml.Node) -> tuple[int, int, int]:
        """Return (values, bytes, height); raise Refusal beyond the limits or on a circle."""
        key = id(node)
        if key in self._done:
            return self._done[key]
        if isinstance(node, yaml.ScalarNode):
            return 1, len(node.value), 0
        if key in self._open:
            raise self._refuse(node)
        self._open.add(key)
        values, size, height = 1, 2, 0
        for child in _children(node):
            child_values, child_size, child_height = self.measure(child)
            values, size = values + child_values, size + child_size
            height = max(height, child_height + 1)
        if values > MAX_VALUES or size > MAX_UNFOLDED_BYTES or height > MAX_DEPTH:
            raise self._refuse(node)
        self._open.discard(key)
        self._done[key] = (values, size, height)
        return self._done[key]

    def _refuse(self, node: yaml.Node) -> Refusal:
        return Refusal(
            N_(
                "The aliases (*name) of line %(line)d unfold to far more than was written:"
                " write the values out."
            ),
            FIELD,
            line=node.start_mark.line + 1,
        )


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child) for child in node.value]
    return _scalar(node)


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if key_node.tag == _TAG + "merge":
            for key, value in _merged(value_node):
                merged.setdefault(key, value)
            continue
        if not isinstance(key_node, yaml.ScalarNode):
            raise Refusal(
                N_("The key at line %(line)d is not a word."), FIELD, line=_line(key_node)
            )
        key = key_node.value
        if key in own:
            raise Refusal(
                N_("The key “%(key)s” stands twice, the second time at line %(line)d: keep one."),
                FIELD,
                key=key[:80],
                line=_line(key_node),
            )
        own[key] = _value(value_node)
    return merged | own


def _merged(node: yaml.Node) -> list[tuple[str, Any]]:
    """Return what `<<` brings in: a mapping, or several of which the first wins."""
    sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
    pairs: list[tuple[str, Any]] = []
    for source in sources:
        if not isinstance(source, yaml.MappingNode):
            raise Refusal(N_("“<<” at line %(line)d must name a mapping."), FIELD, line=_line(node))
        pairs += _mapping(source).items()
    return pairs


def _scalar(node: yaml.Node) -> Any:
    tag, text = node.tag.removeprefix(_TAG), str(node.value)
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() in _TRUE
    if tag == "int":
        return _integer(text)
    if tag == "float":
        return _float(node, text)
    if tag in ("str", "timestamp", "value"):
        return text
    raise Refusal(
        N_("The tag %(tag)s at line %(line)d is not known to Kubernetes: leave it out."),
        FIELD,
        tag=node.tag[:80],
        line=_line(node),
    )


def _integer(text: str) -> int | str:
    if not _INT.fullmatch(text) or len(text) > 40:
        return text
    digits = text.replace("_", "")
    sign, bare = (-1, digits[1:]) if digits[0] == "-" else (1, digits.lstrip("+"))
    if len(bare) > 1 and bare[0] == "0" and bare[1].isdigit():
        return sign * int(bare, 8)
    return sign * int(bare, 0)


def _float(node: yaml.Node, text: str) -> float | str:
    try:
        number = float(text.replace("_", ""))
    except ValueError:
        if ":" in text:
            return text
        number = float("inf")
    if number in (float("inf"), float("-inf")) or number != number:
        raise Refusal(
            N_("The number %(number)s at line %(line)d can't be written as JSON: quote it."),
            FIELD,
            number=text[:40],
            line=_line(node),
        )
    return number


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _flatten(document: Any, number: int, lists: int = 0) -> list[KubeObject]:
    if not isinstance(document, dict):
        raise Refusal(
            N_(
                "Document %(number)d is not an object: each must be a mapping with apiVersion,"
                " kind and metadata."
            ),
            FIELD,
            number=number,
        )
    kind, items = document.get("kind"), document.get("items")
    if not (isinstance(kind, str) and kind.endswith("List") and isinstance(items, list)):
        return [document]
    if lists >= 3:
        raise Refusal(
            N_("Document %(number)d holds lists in lists: write the objects one by one."),
            FIELD,
            number=number,
        )
    objects: list[KubeObject] = []
    for item in items:
        if isinstance(item, dict) and kind != "List":
            item = {"apiVersion": document.get("apiVersion"), "kind": kind[:-4], **item}
        objects += _flatten(item, number, lists + 1)
    return objects


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar(_TAG + "str", text, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(obj: Any) -> str:
    """Return an object as YAML for people: sorted keys, no aliases, text blocks for long text."""
    return str(yaml.dump(obj, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=1000))
