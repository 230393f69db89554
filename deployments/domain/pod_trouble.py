"""Why a Pod does not come up, from its own status. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clusters.domain.objects import epoch_of
from deployments.domain.words import Reason


@dataclass(frozen=True)
class PodTrouble:
    """Why a Pod of a workload does not come up, and since when (seconds since 1970)."""

    reason: Reason
    message: str
    since: float


def pod_trouble(pod: Mapping[str, Any], now: float) -> PodTrouble | None:
    """Return why a Pod does not come up, or None when it does or has not been asked to yet."""
    status = pod.get("status") or {}
    created = epoch_of((pod.get("metadata") or {}).get("creationTimestamp")) or now
    unplaced = _scheduled(status)
    if unplaced.get("status") == "False" and unplaced.get("reason") == "Unschedulable":
        since = epoch_of(unplaced.get("lastTransitionTime")) or created
        return PodTrouble(Reason.UNSCHEDULABLE, str(unplaced.get("message", "")), since)
    containers = [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]
    for container in containers:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if reason := _WAITING.get(str(waiting.get("reason"))):
            return PodTrouble(reason, _waiting_message(container, waiting), created)
    for container in status.get("containerStatuses") or []:
        started = epoch_of(((container.get("state") or {}).get("running") or {}).get("startedAt"))
        if started is not None and not container.get("ready"):
            message = f"container {container.get('name')} runs and is not ready"
            return PodTrouble(Reason.PROBE_FAILED, message, started)
    return None


def worst_trouble(troubles: Iterable[PodTrouble]) -> PodTrouble | None:
    """Return the trouble that lasts longest; a failing probe only where there is nothing else."""
    return min(
        troubles, key=lambda each: (each.reason is Reason.PROBE_FAILED, each.since), default=None
    )


_WAITING = {
    "ErrImagePull": Reason.IMAGE_PULL,
    "ImagePullBackOff": Reason.IMAGE_PULL,
    "InvalidImageName": Reason.IMAGE_PULL,
    "ErrImageNeverPull": Reason.IMAGE_PULL,
    "RegistryUnavailable": Reason.IMAGE_PULL,
    "CrashLoopBackOff": Reason.CRASH_LOOP,
    "CreateContainerConfigError": Reason.DEPENDENCY_MISSING,
    "CreateContainerError": Reason.CRASH_LOOP,
    "RunContainerError": Reason.CRASH_LOOP,
}


def _waiting_message(container: Mapping[str, Any], waiting: Mapping[str, Any]) -> str:
    text = str(waiting.get("message") or waiting.get("reason"))
    return f"container {container.get('name')}: {text}"


def _scheduled(status: Mapping[str, Any]) -> Mapping[str, Any]:
    found = (c for c in status.get("conditions") or [] if c.get("type") == "PodScheduled")
    return next(found, {})
