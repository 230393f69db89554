"""Kubernetes objects as plain data: identity, canonical bytes, quantities, selectors. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

KubeObject = dict[str, Any]


@dataclass(frozen=True, order=True)
class ObjectId:
    """Which object: its version is left out, since one object is served under several."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """Return `<group>/<kind>/<namespace>/<name>`; the core group and no namespace are empty."""
        return f"{self.group}/{self.kind}/{self.namespace}/{self.name}"


@dataclass(frozen=True, order=True)
class ObjectRef:
    """An object's identity and the version it is written in."""

    id: ObjectId
    version: str

    @property
    def api_version(self) -> str:
        """Return the apiVersion field: `v1`, `apps/v1`."""
        return join_api_version(self.id.group, self.version)


def parse_id(text: str) -> ObjectId:
    """Return the identity written as `<group>/<kind>/<namespace>/<name>`; raise ValueError."""
    parts = text.split("/")
    if len(parts) != 4 or not parts[1] or not parts[3]:
        raise ValueError(f"not an object identity: {text!r}")
    return ObjectId(*parts)


def ref_of(obj: Mapping[str, Any]) -> ObjectRef:
    """Return the reference of an object; raise ValueError when it has no kind or name."""
    metadata = obj.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    kind, name, api_version = obj.get("kind"), metadata.get("name"), obj.get("apiVersion")
    if not (isinstance(kind, str) and isinstance(name, str) and isinstance(api_version, str)):
        raise ValueError("an object needs apiVersion, kind and metadata.name")
    if not (kind and name and api_version):
        raise ValueError("an object needs apiVersion, kind and metadata.name")
    group, version = split_api_version(api_version)
    return ObjectRef(ObjectId(group, kind, str(metadata.get("namespace") or ""), name), version)


def split_api_version(api_version: str) -> tuple[str, str]:
    """Return (group, version); the core group is empty."""
    group, slash, version = api_version.rpartition("/")
    return (group, version) if slash else ("", api_version)


def join_api_version(group: str, version: str) -> str:
    """Return the apiVersion of a group and a version."""
    return f"{group}/{version}" if group else version


def canonical_json(obj: Mapping[str, Any]) -> bytes:
    """Return the bytes that stand for an object: sorted keys, no blanks, UTF-8."""
    text = json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def digest_of(data: bytes) -> str:
    """Return `sha256:` and the hex digest of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def epoch_of(timestamp: object) -> float | None:
    """Return a Kubernetes time (RFC 3339) in seconds since 1970; None for anything else."""
    try:
        return datetime.fromisoformat(str(timestamp)).timestamp()
    except ValueError:
        return None


# Quantities: k8s.io/apimachinery resource.Quantity. Decimal, because 0.1 is not a float.

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal("1e3"),
    "M": Decimal("1e6"),
    "G": Decimal("1e9"),
    "T": Decimal("1e12"),
    "P": Decimal("1e15"),
    "E": Decimal("1e18"),
    **{suffix: Decimal(1024) ** (n + 1) for n, suffix in enumerate(["Ki", "Mi", "Gi", "Ti"])},
    "Pi": Decimal(1024) ** 5,
    "Ei": Decimal(1024) ** 6,
}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([eE][+-]?\d{1,3}|[numkMGTPE]i?|)")


def parse_quantity(value: object) -> Decimal:
    """Return a quantity such as `100m`, `1.5Gi`, `2e3` or 4 as a number; raise ValueError."""
    found = _QUANTITY.fullmatch(str(value).strip())
    if not found:
        raise ValueError(f"not a quantity: {value!r}")
    number, suffix = found.groups()
    try:
        if suffix[:1] in ("e", "E") and suffix[1:]:
            if suffix == "Ei":
                return Decimal(number) * _SUFFIXES["Ei"]
            return Decimal(number + suffix)
        return Decimal(number) * _SUFFIXES[suffix]
    except (KeyError, InvalidOperation):
        raise ValueError(f"not a quantity: {value!r}") from None


def milli_of(value: object) -> int:
    """Return a CPU quantity in thousandths of a core, rounded up as the scheduler does."""
    return int((parse_quantity(value) * 1000).to_integral_value(ROUND_CEILING))


def whole_of(value: object) -> int:
    """Return a quantity as a whole number (bytes, Pods), rounded up as the scheduler does."""
    return int(parse_quantity(value).to_integral_value(ROUND_CEILING))


# Label selectors: the string form of kubectl -l and the object form (matchLabels …).

_KEY = r"(?:[a-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EQUALS = re.compile(rf"({_KEY})\s*(==|=|!=)\s*([A-Za-z0-9_.-]*)")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


@dataclass(frozen=True)
class Requirement:
    """One condition on labels. operator: In, NotIn, Exists, DoesNotExist."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether labels fulfil the condition; an absent key fulfils NotIn."""
        if self.operator == "Exists":
            return self.key in labels
        if self.operator == "DoesNotExist":
            return self.key not in labels
        inside = labels.get(self.key) in self.values
        return inside if self.operator == "In" else not inside


def parse_selector(text: str) -> tuple[Requirement, ...]:
    """Return the conditions of `a=b,c!=d,e in (f,g),h,!i`; an empty text has none.

    Raises ValueError with a sentence that names the part that is wrong.
    """
    return tuple(_requirement(part) for part in _split(text) if part)


def requirements_of(selector: Mapping[str, Any]) -> tuple[Requirement, ...]:
    """Return the conditions of an object selector (matchLabels, matchExpressions)."""
    equal = [
        Requirement(key, "In", frozenset({value}))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    return (
        *equal,
        *(
            Requirement(entry["key"], entry["operator"], frozenset(entry.get("values") or []))
            for entry in selector.get("matchExpressions") or []
        ),
    )


def selects(requirements: Iterable[Requirement], labels: Mapping[str, str]) -> bool:
    """Say whether labels fulfil every condition."""
    return all(requirement.matches(labels) for requirement in requirements)


def _split(text: str) -> list[str]:
    # Commas inside parentheses belong to a set of values.
    return [part.strip() for part in re.split(r",(?![^(]*\))", text)]


def _requirement(part: str) -> Requirement:
    if found := _SET.fullmatch(part):
        key, word, inside = found.groups()
        values = frozenset(value.strip() for value in inside.split(","))
        _check_values(part, values)
        return Requirement(key, "In" if word == "in" else "NotIn", values)
    if found := _EQUALS.fullmatch(part):
        key, word, value = found.groups()
        _check_values(part, [value])
        return Requirement(key, "NotIn" if word == "!=" else "In", frozenset({value}))
    if found := _EXISTS.fullmatch(part):
        return Requirement(found.group(2), "DoesNotExist" if found.group(1) else "Exists")
    raise ValueError(f"{part!r} is not a condition on labels: write key=value or key in (a, b).")


def _check_values(part: str, values: Iterable[str]) -> None:
    for value in values:
        if not _VALUE.fullmatch(value):
            raise ValueError(f"{value!r} in {part!r} is not a label value.")
