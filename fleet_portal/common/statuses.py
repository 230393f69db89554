"""Status words: each lives once, with label, tone and shape. Pure; no Django.

The tone picks a colour, the shape says the same without one (WCAG 1.4.1).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Tone = Literal["ok", "info", "warn", "bad", "away", "none"]
Shape = Literal["check", "dot", "ring", "triangle", "cross", "dash", "arrow", "clock", "pause"]


@dataclass(frozen=True)
class Status:
    """One word: `label` is English source text, translated when a page is rendered."""

    value: str
    label: str
    tone: Tone
    shape: Shape


class Statuses:
    """The closed set of words that one field may hold."""

    def __init__(self, *statuses: Status) -> None:
        self._by_value = {status.value: status for status in statuses}

    def __getitem__(self, value: str) -> Status:
        return self._by_value[value]

    def __iter__(self) -> Iterator[Status]:
        return iter(self._by_value.values())

    def __contains__(self, value: object) -> bool:
        return value in self._by_value

    def choices(self) -> Sequence[tuple[str, str]]:
        """Return (value, English label) pairs as a Django field takes them."""
        return [(status.value, status.label) for status in self]
