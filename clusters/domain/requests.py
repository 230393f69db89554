"""What a Pod asks of its node, counted as the scheduler counts. Pure.

Source: k8s.io/component-helpers/resource (PodRequests). The greater of what the long-running
containers ask together and what any moment of start-up asks, plus the Pod's overhead. Init
containers with restartPolicy Always keep running beside the rest. Requests of the Pod as a whole
(spec.resources) replace the sum. During a resize in place the greatest of asked, granted and
actual counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clusters.domain.objects import milli_of, whole_of


@dataclass(frozen=True)
class Requests:
    """Thousandths of a core and bytes."""

    cpu_milli: int = 0
    memory_bytes: int = 0

    def plus(self, other: Requests) -> Requests:
        """Return the sum."""
        return Requests(self.cpu_milli + other.cpu_milli, self.memory_bytes + other.memory_bytes)

    def at_least(self, other: Requests) -> Requests:
        """Return the greater of each."""
        return Requests(
            max(self.cpu_milli, other.cpu_milli), max(self.memory_bytes, other.memory_bytes)
        )


def is_terminal(pod: Mapping[str, Any]) -> bool:
    """Say whether a Pod has ended: it holds no room on its node any more."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def pod_requests(pod: Mapping[str, Any]) -> Requests:
    """Return what a Pod asks of its node; what is not a quantity counts as nothing."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    states = _by_name(status.get("containerStatuses"))
    running = _total(_container(c, states) for c in spec.get("containers") or [])
    asked = _with_start_up(spec, status, running)
    whole = (spec.get("resources") or {}).get("requests") or {}
    asked = Requests(
        _cpu(whole["cpu"]) if "cpu" in whole else asked.cpu_milli,
        _memory(whole["memory"]) if "memory" in whole else asked.memory_bytes,
    )
    return asked.plus(_requests(spec.get("overhead")))


def _with_start_up(
    spec: Mapping[str, Any], status: Mapping[str, Any], running: Requests
) -> Requests:
    states = _by_name(status.get("initContainerStatuses"))
    beside = Requests()  # init containers that keep running, so far
    peak = Requests()
    for container in spec.get("initContainers") or []:
        own = _container(container, states)
        if container.get("restartPolicy") == "Always":
            beside = beside.plus(own)
            peak = peak.at_least(beside)
        else:
            peak = peak.at_least(beside.plus(own))
    return running.plus(beside).at_least(peak)


def _container(container: Mapping[str, Any], states: Mapping[str, Any]) -> Requests:
    asked = _requests((container.get("resources") or {}).get("requests"))
    state = states.get(str(container.get("name")), {})
    granted = _requests(state.get("allocatedResources"))
    actual = _requests((state.get("resources") or {}).get("requests"))
    return asked.at_least(granted).at_least(actual)


def _total(parts: Iterable[Requests]) -> Requests:
    total = Requests()
    for part in parts:
        total = total.plus(part)
    return total


def _requests(resources: Mapping[str, Any] | None) -> Requests:
    found = resources or {}
    return Requests(_cpu(found.get("cpu", 0)), _memory(found.get("memory", 0)))


def _cpu(value: object) -> int:
    try:
        return milli_of(value)
    except ValueError:
        return 0


def _memory(value: object) -> int:
    try:
        return whole_of(value)
    except ValueError:
        return 0


def _by_name(states: Iterable[Mapping[str, Any]] | None) -> dict[str, Mapping[str, Any]]:
    return {str(state.get("name")): state for state in states or []}
