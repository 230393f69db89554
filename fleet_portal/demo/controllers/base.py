"""What every simulated controller works with: the cluster's objects, and when to look again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.kinds import BY_KIND, ResourceType
from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.store import Object, Store

MANAGER = "kube-controller-manager"


@dataclass(frozen=True, slots=True)
class Pace:
    """How quickly the simulated parts of a cluster work, in seconds."""

    pull_seconds: float = 1.0
    stop_seconds: float = 0.5


@dataclass(slots=True)
class Context:
    """The hands of the controllers.

    `again(seconds, resource, namespace, name)` asks to be called for an object once more later.
    `next_pod_address` gives a fresh address of the cluster's Pod network.
    """

    objects: Objects
    again: Callable[[float, ResourceType, str, str], None]
    next_pod_address: Callable[[], str]
    pace: Pace = field(default_factory=Pace)

    @property
    def store(self) -> Store:
        return self.objects.store

    def now(self) -> str:
        return self.objects.now()

    def set_status(self, resource: ResourceType, obj: Object, status: Object) -> None:
        """Write a status where it differs; an object that is gone needs none."""
        if obj.get("status") == status:
            return
        try:
            self.objects.update(resource, {**obj, "status": status}, MANAGER, subresource="status")
        except ApiError as error:
            if error.code not in (404, 409):
                raise


def kind(group: str, name: str) -> ResourceType:
    return BY_KIND[group, name]


def owner_reference(owner: Object) -> Object:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(obj: Object) -> Object | None:
    """Return the reference to the owner that controls an object."""
    references = obj["metadata"].get("ownerReferences") or []
    return next((r for r in references if r.get("controller")), None)


def owned_by(owner: Object, candidates: list[Object]) -> list[Object]:
    uid = owner["metadata"]["uid"]
    return [c for c in candidates if (r := controller_of(c)) is not None and r["uid"] == uid]


def image_tag(image: str) -> str:
    """Return the tag of an image's name; a registry's port is none."""
    return image.rpartition("/")[2].partition(":")[2]


def is_ending(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def condition(obj: Object, name: str) -> Object | None:
    conditions = obj.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == name), None)


def is_ready(pod: Object) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True" and not is_ending(pod)


def with_condition(
    old: list[Object], name: str, status: bool, reason: str, message: str, now: str
) -> list[Object]:
    """Return conditions with one set; its transition time changes with its status only."""
    word = "True" if status else "False"
    before = next((c for c in old if c["type"] == name), None)
    same = before is not None and (before["status"], before["reason"]) == (word, reason)
    if before is not None and same and before.get("message") == message:
        return old
    moved = before["lastTransitionTime"] if before and before["status"] == word else now
    new: dict[str, Any] = {
        "type": name,
        "status": word,
        "lastUpdateTime": now,
        "lastTransitionTime": moved,
        "reason": reason,
        "message": message,
    }
    return [*(c for c in old if c["type"] != name), new]
