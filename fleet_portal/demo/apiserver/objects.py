"""Every write to a simulated cluster: the steps between a decoded request and the store.

Requests and simulated controllers go the same way: defaults, owners, checks, generation, store. A
dry run takes all steps but the last.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from fleet_portal.demo.apiserver import errors, managers, validation
from fleet_portal.demo.apiserver.defaults import with_allocated, with_defaults
from fleet_portal.demo.apiserver.fieldsets import Path
from fleet_portal.demo.apiserver.kinds import BY_KIND, ResourceType
from fleet_portal.demo.apiserver.managers import Writer
from fleet_portal.demo.apiserver.merging import MergeError
from fleet_portal.demo.apiserver.schemas import type_of_resource
from fleet_portal.demo.apiserver.store import Object, Store

NAMESPACES = BY_KIND["", "Namespace"]
_WITHOUT_GENERATION = {
    "ConfigMap", "Secret", "ServiceAccount", "Service", "Endpoints", "Event", "Namespace", "Node",
    "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "Lease",
    "HorizontalPodAutoscaler",
}  # fmt: skip
_SERVER_SET = ("uid", "creationTimestamp", "generation", "deletionTimestamp",
               "deletionGracePeriodSeconds", "selfLink")  # fmt: skip
# Letters and digits that Kubernetes draws generated names from.
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
STATUS: Path = ("f:status",)
SPEC: Path = ("f:spec",)
LABELS: Path = ("f:metadata", "f:labels")


@dataclass(frozen=True, slots=True)
class Deletion:
    """How to delete: DeleteOptions, read."""

    grace_seconds: int | None = None
    propagation: str = "Background"
    uid: str = ""
    resource_version: str = ""


def timestamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def generated_name(prefix: str) -> str:
    return prefix[:58] + "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))


class Objects:
    """Creates, changes and deletes objects of one store."""

    def __init__(self, store: Store, clock: Callable[[], datetime] | None = None) -> None:
        self.store = store
        self.clock = clock or (lambda: datetime.now(UTC))
        self._services = 0

    def now(self) -> str:
        return timestamp(self.clock())

    def _next_address(self) -> str:
        self._services += 1
        high, low = divmod(self._services + 9, 250)
        return f"10.96.{high}.{low + 1}"

    def writer(self, resource: ResourceType, manager: str, subresource: str = "") -> Writer:
        """Return who writes, with the paths that this endpoint leaves as they are."""
        reset: tuple[Path, ...] = ()
        if subresource == "status":
            reset = (SPEC, LABELS)
        elif not subresource and "status" in resource.subresources:
            reset = (STATUS,)
        return Writer(manager, resource.api_version, self.now(), subresource, reset)

    def live(self, resource: ResourceType, namespace: str, name: str) -> Object:
        """Return a stored object. Raises ApiError 404."""
        obj = self.store.get(resource, namespace, name)
        if obj is None:
            raise errors.not_found(resource, name)
        return obj

    def create(
        self, resource: ResourceType, sent: Object, manager: str, *, dry_run: bool = False
    ) -> Object:
        """Store a new object. Raises ApiError where it exists, is invalid, or has no namespace."""
        obj = _named(sent)
        writer = self.writer(resource, manager)
        obj = managers.record_update(
            type_of_resource(resource), None, with_defaults(_reset(obj, None, writer)), writer
        )
        return self._insert(resource, obj, dry_run)

    def _insert(self, resource: ResourceType, obj: Object, dry_run: bool) -> Object:
        metadata = {k: v for k, v in obj["metadata"].items() if k not in _SERVER_SET}
        metadata.pop("resourceVersion", None)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": self.now()}
        if resource.kind not in _WITHOUT_GENERATION:
            metadata["generation"] = 1
        obj = {**obj, "metadata": metadata}
        validation.check(resource, obj, None)
        self._check_namespace(resource, metadata.get("namespace", ""), metadata["name"])
        if self.store.get(resource, metadata.get("namespace", ""), metadata["name"]):
            raise errors.already_exists(resource, metadata["name"])
        obj = with_allocated(obj, self._next_address)
        return obj if dry_run else self.store.put(resource, obj)

    def _check_namespace(self, resource: ResourceType, namespace: str, name: str) -> None:
        if not resource.namespaced:
            return
        holder = self.store.get(NAMESPACES, "", namespace)
        if holder is None:
            raise errors.not_found(NAMESPACES, namespace)
        if "deletionTimestamp" in holder["metadata"]:
            why = (
                f"unable to create new content in namespace {namespace} because it is being "
                "terminated"
            )
            raise errors.forbidden(resource.group, resource.plural, name, why)

    def update(
        self,
        resource: ResourceType,
        sent: Object,
        manager: str,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Replace an object; `sent` may carry the resourceVersion it was made from."""
        metadata = sent["metadata"]
        live = self.live(resource, metadata.get("namespace", ""), metadata["name"])
        _check_revision(resource, live, metadata)
        writer = self.writer(resource, manager, subresource)
        obj = with_defaults(_reset(sent, live, writer))
        obj = managers.record_update(type_of_resource(resource), live, obj, writer)
        return self._replace(resource, live, obj, dry_run)

    def apply(
        self,
        resource: ResourceType,
        sent: Object,
        manager: str,
        *,
        force: bool,
        subresource: str = "",
        dry_run: bool = False,
    ) -> tuple[Object, bool]:
        """Apply server-side; return (object, whether it is new). Raises ApiError 409."""
        metadata = sent["metadata"]
        live = self.store.get(resource, metadata.get("namespace", ""), metadata["name"])
        if live is None and (subresource or metadata.get("uid")):
            raise errors.not_found(resource, metadata["name"])
        if live is not None:
            _check_revision(resource, live, metadata)
        writer = self.writer(resource, manager, subresource)
        try:
            obj = managers.apply(type_of_resource(resource), live, sent, writer, force)
        except MergeError as error:
            raise errors.internal(f"failed to create typed patch object: {error}") from error
        obj = with_defaults(_reset(obj, live, writer))
        if live is None:
            return self._insert(resource, obj, dry_run), True
        return self._replace(resource, live, obj, dry_run), False

    def _replace(self, resource: ResourceType, live: Object, obj: Object, dry_run: bool) -> Object:
        if _same(live, obj):
            return live
        metadata = dict(obj["metadata"])
        if resource.kind not in _WITHOUT_GENERATION and _content(live) != _content(obj):
            metadata["generation"] = live["metadata"].get("generation", 0) + 1
        obj = {**obj, "metadata": metadata}
        validation.check(resource, obj, live)
        if dry_run:
            return obj
        stored = self.store.put(resource, obj)
        held = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
        if "deletionTimestamp" in metadata and not held and resource is not NAMESPACES:
            return self.store.delete(resource, metadata.get("namespace", ""), metadata["name"])
        return stored

    def delete(
        self,
        resource: ResourceType,
        namespace: str,
        name: str,
        deletion: Deletion | None = None,
        *,
        dry_run: bool = False,
    ) -> tuple[Object, bool]:
        """Delete an object, or mark it where something must happen first.

        Returns (object, whether it is gone).
        """
        deletion = deletion or Deletion()
        live = self.live(resource, namespace, name)
        _check_preconditions(resource, live, deletion)
        marked = self._marked(resource, live, deletion)
        gone = not marked["metadata"].get("finalizers") and not (
            marked["metadata"].get("deletionGracePeriodSeconds")
        )
        if resource is NAMESPACES:
            marked = {**marked, "status": {**marked.get("status", {}), "phase": "Terminating"}}
            gone = False
        if dry_run:
            return (live if gone else marked), gone
        if gone:
            return self.store.delete(resource, namespace, name), True
        if marked != live:
            marked = self.store.put(resource, marked)
        return marked, False

    def _marked(self, resource: ResourceType, live: Object, deletion: Deletion) -> Object:
        metadata = dict(live["metadata"])
        grace = 0
        if resource.kind == "Pod":
            grace = _grace(live, deletion)
        if "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = self.now()
            if "generation" in metadata:
                metadata["generation"] += 1
        metadata["deletionGracePeriodSeconds"] = grace
        finalizers = list(metadata.get("finalizers") or [])
        extra = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(deletion.propagation)
        if extra and extra not in finalizers:
            finalizers.append(extra)
        if finalizers:
            metadata["finalizers"] = finalizers
        return {**live, "metadata": metadata}

    def purge(self, resource: ResourceType, namespace: str, name: str) -> None:
        """Remove an object whose end has been prepared, whatever still holds it."""
        if self.store.get(resource, namespace, name):
            self.store.delete(resource, namespace, name)


def _grace(pod: Object, deletion: Deletion) -> int:
    if not pod.get("spec", {}).get("nodeName"):
        return 0
    if deletion.grace_seconds is not None:
        return deletion.grace_seconds
    seconds: int = pod["spec"].get("terminationGracePeriodSeconds", 30)
    return seconds


def _named(sent: Object) -> Object:
    metadata = dict(sent["metadata"])
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generated_name(metadata["generateName"])
    return {**sent, "metadata": metadata}


def _reset(sent: Object, live: Object | None, writer: Writer) -> Object:
    """Return what was sent with everything restored that this endpoint may not change."""
    obj = dict(sent)
    before = live or {}
    for path in writer.reset:
        if len(path) == 1:
            name = path[0].removeprefix("f:")
            if name in before:
                obj[name] = before[name]
            else:
                obj.pop(name, None)
    metadata = dict(obj["metadata"])
    for name in (*_SERVER_SET, "resourceVersion"):
        if live is not None and name in live["metadata"]:
            metadata[name] = live["metadata"][name]
        elif live is not None or name != "resourceVersion":
            metadata.pop(name, None)
    if writer.subresource == "status" and live is not None:
        metadata = {**live["metadata"], "managedFields": metadata.get("managedFields")}
        if metadata["managedFields"] is None:
            del metadata["managedFields"]
    if live is not None and not writer.subresource:
        _keep_address(obj, live)
    obj["metadata"] = metadata
    return obj


def _keep_address(obj: Object, live: Object) -> None:
    if obj["kind"] == "Service" and not obj.get("spec", {}).get("clusterIP"):
        kept = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
        before = {k: live["spec"][k] for k in kept if k in live["spec"]}
        obj["spec"] = {**before, **obj.get("spec", {})}
    if obj["kind"] == "Namespace":
        obj["spec"] = live.get("spec", {})


def _content(obj: Object) -> Object:
    return {k: v for k, v in obj.items() if k not in ("metadata", "status")}


def _same(live: Object, obj: Object) -> bool:
    """Return whether nothing but the times of managers differs, which is not worth a write."""

    def timeless(whole: Object) -> Object:
        entries = whole["metadata"].get("managedFields") or []
        bare = [{k: v for k, v in entry.items() if k != "time"} for entry in entries]
        return {**whole, "metadata": {**whole["metadata"], "managedFields": bare}}

    return timeless(live) == timeless(obj)


def _check_revision(resource: ResourceType, live: Object, metadata: Object) -> None:
    sent = metadata.get("resourceVersion")
    if sent and sent != live["metadata"]["resourceVersion"]:
        raise errors.modified_meanwhile(resource, metadata["name"])
    uid = metadata.get("uid")
    if uid and uid != live["metadata"]["uid"]:
        why = (
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
            f"{live['metadata']['uid']}"
        )
        raise errors.conflict(resource, metadata["name"], why)


def _check_preconditions(resource: ResourceType, live: Object, deletion: Deletion) -> None:
    name, metadata = live["metadata"]["name"], live["metadata"]
    if deletion.uid and deletion.uid != metadata["uid"]:
        why = (
            f"Precondition failed: UID in precondition: {deletion.uid}, UID in object meta: "
            f"{metadata['uid']}"
        )
        raise errors.conflict(resource, name, why)
    if deletion.resource_version and deletion.resource_version != metadata["resourceVersion"]:
        raise errors.conflict(resource, name, "Precondition failed: ResourceVersion differs")
