"""What the pool holds: capacity, what is used, what is free, added up by any key. Pure.

Capacity is what a node lets Pods use (allocatable); used is what Pods ask for (requests).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Capacity:
    """Amounts of one or many nodes: CPU in thousandths of a core, memory in bytes, Pods."""

    nodes: int = 0
    nodes_ready: int = 0
    cpu_milli: int = 0
    memory_bytes: int = 0
    pods: int = 0
    used_cpu_milli: int = 0
    used_memory_bytes: int = 0
    used_pods: int = 0

    def __add__(self, other: Capacity) -> Capacity:
        return Capacity(
            self.nodes + other.nodes,
            self.nodes_ready + other.nodes_ready,
            self.cpu_milli + other.cpu_milli,
            self.memory_bytes + other.memory_bytes,
            self.pods + other.pods,
            self.used_cpu_milli + other.used_cpu_milli,
            self.used_memory_bytes + other.used_memory_bytes,
            self.used_pods + other.used_pods,
        )

    @property
    def free_cpu_milli(self) -> int:
        return max(0, self.cpu_milli - self.used_cpu_milli)

    @property
    def free_memory_bytes(self) -> int:
        return max(0, self.memory_bytes - self.used_memory_bytes)

    @property
    def free_pods(self) -> int:
        return max(0, self.pods - self.used_pods)


NOTHING = Capacity()


def add_up(parts: Iterable[Capacity]) -> Capacity:
    """Return the sum."""
    return sum(parts, NOTHING)


Part = TypeVar("Part")


def add_up_by(
    parts: Iterable[Part], key: Callable[[Part], Key], amount: Callable[[Part], Capacity]
) -> dict[Key, Capacity]:
    """Return the sums by `key(part)`, in the order in which keys first appear."""
    sums: dict[Key, Capacity] = {}
    for part in parts:
        at = key(part)
        sums[at] = sums.get(at, NOTHING) + amount(part)
    return sums
