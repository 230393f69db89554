"""What one revision says: checked objects, their digests, and replica counts apart. Pure.

An object is stored as canonical JSON under its digest, in its namespace, without replica counts
and without what a live object carries. The digest of a content leaves replica counts out: spec
changes make revisions, scaling does not.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from clusters.domain.objects import (
    KubeObject,
    ObjectId,
    ObjectRef,
    canonical_json,
    digest_of,
    split_api_version,
)
from deployments.domain.kinds import is_cluster_scoped, is_known, suggestion
from deployments.domain.manifests import FIELD, MAX_OBJECTS
from deployments.domain.sentences import Refusal, listed
from fleet_portal.common.text import N_

MAX_OBJECT_BYTES = 1024 * 1024
RESERVED = "fleet-portal.io/"
SCALED_KINDS = {
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("", "ReplicationController"),
}
MAX_REPLICAS = 100_000

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_ANY_NAME = re.compile(r"[^/%\s]{1,253}")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_KEY = re.compile(
    r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LIVE_FIELDS = (
    "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation",
    "managedFields", "resourceVersion", "selfLink", "uid",
)  # fmt: skip


@dataclass(frozen=True)
class ContentObject:
    """One object: where it goes, its bytes and their digest. `obj` is never changed in place."""

    ref: ObjectRef
    obj: Mapping[str, Any]
    data: bytes
    digest: str

    def as_json(self) -> dict[str, str]:
        """Return the entry that revisions, targets and desired sets keep."""
        identity = self.ref.id
        return {
            "digest": self.digest,
            "group": identity.group,
            "version": self.ref.version,
            "kind": identity.kind,
            "namespace": identity.namespace,
            "name": identity.name,
        }


@dataclass(frozen=True)
class Content:
    """The objects of a revision in their order; `replicas`: object id -> count as written."""

    objects: tuple[ContentObject, ...]
    replicas: Mapping[str, int]

    @property
    def digest(self) -> str:
        return digest_of_objects(item.as_json() for item in self.objects)


def digest_of_objects(entries: Iterable[Mapping[str, str]]) -> str:
    """Return the spec digest of object entries; their order does not matter."""
    parts = sorted(
        "{group}/{version}/{kind}/{namespace}/{name} {digest}".format(**entry) for entry in entries
    )
    return digest_of("\n".join(parts).encode())


def ref_of_entry(entry: Mapping[str, str]) -> ObjectRef:
    """Return the reference of one stored entry."""
    identity = ObjectId(entry["group"], entry["kind"], entry["namespace"], entry["name"])
    return ObjectRef(identity, entry["version"])


def content_object(ref: ObjectRef, obj: Mapping[str, Any]) -> ContentObject:
    """Return the object with its canonical bytes and digest."""
    data = canonical_json(obj)
    return ContentObject(ref, obj, data, digest_of(data))


def read_content(
    objects: Iterable[Any], namespace: str, allowed_namespaces: Collection[str] | None = None
) -> Content:
    """Return the checked content of a revision.

    `namespace`: where objects without one go. `allowed_namespaces`: what the project may use
    (None: not checked here). Raises Refusal with the first thing that is wrong.
    """
    found: list[ContentObject] = []
    replicas: dict[str, int] = {}
    seen: dict[ObjectId, int] = {}
    for number, given in enumerate(objects, start=1):
        ref, obj = _read_object(given, number, namespace)
        if ref.id in seen:
            raise Refusal(
                N_("%(kind)s %(name)s stands twice, as object %(first)d and %(second)d: keep one."),
                FIELD, kind=ref.id.kind, name=ref.id.name, first=seen[ref.id], second=number,
            )  # fmt: skip
        seen[ref.id] = number
        _check_namespace(ref, allowed_namespaces)
        obj, count = _without_replicas(ref, obj)
        if count is not None:
            replicas[str(ref.id)] = count
        found.append(_within_size(content_object(ref, obj)))
    if not found:
        raise Refusal(N_("There is no object in the manifests: paste at least one."), FIELD)
    if len(found) > MAX_OBJECTS:
        raise Refusal(
            N_("The manifests hold %(count)d objects; at most %(most)d fit: split them."),
            FIELD, count=len(found), most=MAX_OBJECTS,
        )  # fmt: skip
    return Content(tuple(found), replicas)


def _read_object(given: Any, number: int, namespace: str) -> tuple[ObjectRef, KubeObject]:
    if not isinstance(given, dict):
        raise Refusal(N_("Object %(number)d is not a mapping."), FIELD, number=number)
    api_version, kind = _text(given, "apiVersion", number), _text(given, "kind", number)
    metadata = given.get("metadata")
    if not isinstance(metadata, dict):
        raise Refusal(
            N_("Object %(number)d (%(kind)s) has no metadata: give it a name."),
            FIELD, number=number, kind=kind,
        )  # fmt: skip
    name = _name(metadata, api_version, kind, number)
    group, version = split_api_version(api_version)
    _check_kind(api_version, group, kind, name)
    where = metadata.get("namespace") or namespace
    if not isinstance(where, str) or not _NAMESPACE.fullmatch(where):
        raise Refusal(
            N_("%(kind)s %(name)s: “%(namespace)s” is not a name for a namespace."),
            FIELD, kind=kind, name=name, namespace=str(where)[:80],
        )  # fmt: skip
    _check_secret(group, kind, name, given)
    ref = ObjectRef(ObjectId(group, kind, where, name), version)
    kept = {key: value for key, value in given.items() if key != "status"}
    return ref, {**kept, "metadata": _clean_metadata(metadata, where, kind, name)}


def _text(given: Mapping[str, Any], key: str, number: int) -> str:
    value = given.get(key)
    if isinstance(value, str) and value and len(value) <= 253 and not re.search(r"\s", value):
        return value
    raise Refusal(
        N_("Object %(number)d has no %(key)s: each object needs apiVersion, kind and a name."),
        FIELD, number=number, key=key,
    )  # fmt: skip


def _name(metadata: Mapping[str, Any], api_version: str, kind: str, number: int) -> str:
    name = metadata.get("name")
    if not name and metadata.get("generateName"):
        raise Refusal(
            N_("Object %(number)d (%(kind)s) has generateName; give it a fixed name."),
            FIELD, number=number, kind=kind,
        )  # fmt: skip
    if not name or not isinstance(name, str):
        raise Refusal(
            N_("Object %(number)d (%(kind)s) has no name: fill metadata.name in, as text."),
            FIELD, number=number, kind=kind,
        )  # fmt: skip
    rule = _ANY_NAME if api_version.startswith("rbac.authorization.k8s.io/") else _NAME
    if not rule.fullmatch(name):
        raise Refusal(
            N_(
                "Object %(number)d (%(kind)s): “%(name)s” is not a name; use lower-case letters,"
                " digits, hyphens and dots."
            ),
            FIELD, number=number, kind=kind, name=name[:80],
        )  # fmt: skip
    return name


def _check_kind(api_version: str, group: str, kind: str, name: str) -> None:
    if is_cluster_scoped(group, kind):
        raise Refusal(
            N_(
                "%(kind)s %(name)s belongs to the whole cluster; a project may only use objects"
                " in its namespaces. Ask the cluster's administrator for it."
            ),
            FIELD, kind=kind, name=name,
        )  # fmt: skip
    if is_known(api_version, kind):
        return
    near = suggestion(api_version, kind)
    if near:
        raise Refusal(
            N_("%(name)s: %(version)s has no kind %(kind)s. Did you mean %(near)s?"),
            FIELD, name=name, version=api_version, kind=kind, near=near,
        )  # fmt: skip
    raise Refusal(
        N_("%(name)s: %(version)s has no kind %(kind)s. Correct apiVersion or kind."),
        FIELD, name=name, version=api_version, kind=kind,
    )  # fmt: skip


def _check_secret(group: str, kind: str, name: str, given: Mapping[str, Any]) -> None:
    if group or kind != "Secret" or not (given.get("data") or given.get("stringData")):
        return
    raise Refusal(
        N_(
            "Secret %(name)s carries its values in plain text, which a revision would keep for"
            " ever. Use an ExternalSecret or a SealedSecret, or create the Secret in the cluster."
        ),
        FIELD, name=name,
    )  # fmt: skip


def _clean_metadata(
    metadata: Mapping[str, Any], namespace: str, kind: str, name: str
) -> dict[str, Any]:
    clean = {key: value for key, value in metadata.items() if key not in _LIVE_FIELDS}
    for field in ("labels", "annotations"):
        values = clean.pop(field, None)
        if values is None:
            continue
        if not isinstance(values, dict):
            raise Refusal(
                N_("%(kind)s %(name)s: metadata.%(member)s must be a mapping."),
                FIELD, kind=kind, name=name, member=field,
            )  # fmt: skip
        kept = {key: value for key, value in values.items() if key != _LAST_APPLIED}
        for key, value in kept.items():
            _check_pair(field, key, value, kind, name)
        if kept:
            clean[field] = kept
    return {**clean, "namespace": namespace}


def _check_pair(field: str, key: Any, value: Any, kind: str, name: str) -> None:
    about = {"kind": kind, "name": name, "key": str(key)[:80], "member": field}
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise Refusal(
            N_("%(kind)s %(name)s: “%(key)s” is not a key for %(member)s."), FIELD, **about
        )
    if key.startswith(RESERVED) and key != RESERVED + "prune":
        raise Refusal(
            N_("%(kind)s %(name)s: keys under fleet-portal.io/ are not free: drop %(key)s."),
            FIELD, **about,
        )  # fmt: skip
    if not isinstance(value, str):
        raise Refusal(
            N_("%(kind)s %(name)s: the value of %(key)s in %(member)s must be text: quote it."),
            FIELD, **about,
        )  # fmt: skip
    if field == "labels" and not _LABEL_VALUE.fullmatch(value):
        raise Refusal(
            N_(
                "%(kind)s %(name)s: “%(value)s” is not a label value for %(key)s; use at most 63"
                " letters, digits and . _ -"
            ),
            FIELD, value=value[:80], **about,
        )  # fmt: skip


def _check_namespace(ref: ObjectRef, allowed: Collection[str] | None) -> None:
    if allowed is None or ref.id.namespace in allowed:
        return
    about = {"kind": ref.id.kind, "name": ref.id.name, "namespace": ref.id.namespace}
    if not allowed:
        raise Refusal(
            N_(
                "%(kind)s %(name)s goes to namespace %(namespace)s, but the project may use no"
                " namespace of any cluster yet. Ask an administrator to name one on a cluster's"
                " page."
            ),
            FIELD, **about,
        )  # fmt: skip
    raise Refusal(
        N_(
            "%(kind)s %(name)s goes to namespace %(namespace)s, which the project may not use."
            " It may use: %(allowed)s."
        ),
        FIELD, allowed=listed(sorted(allowed), 8), **about,
    )  # fmt: skip


def _without_replicas(ref: ObjectRef, obj: KubeObject) -> tuple[KubeObject, int | None]:
    spec = obj.get("spec")
    if (ref.id.group, ref.id.kind) not in SCALED_KINDS or not isinstance(spec, dict):
        return obj, None
    if spec.get("replicas") is None:
        return {**obj, "spec": {k: v for k, v in spec.items() if k != "replicas"}}, None
    count = spec["replicas"]
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MAX_REPLICAS:
        raise Refusal(
            N_("%(kind)s %(name)s: replicas must be a whole number from 0 to %(most)d."),
            FIELD, kind=ref.id.kind, name=ref.id.name, most=MAX_REPLICAS,
        )  # fmt: skip
    return {**obj, "spec": {k: v for k, v in spec.items() if k != "replicas"}}, count


def _within_size(item: ContentObject) -> ContentObject:
    """Refuse what no API server takes: a ConfigMap counts its values alone, as Kubernetes does."""
    size = len(item.data)
    if item.ref.id.kind == "ConfigMap" and not item.ref.id.group:
        data = item.obj.get("data")
        values = data.values() if isinstance(data, dict) else ()
        size = sum(len(value.encode()) for value in values if isinstance(value, str))
    if size > MAX_OBJECT_BYTES:
        raise Refusal(
            N_("%(kind)s %(name)s has %(size)s MiB; an object may have 1 MiB at most."),
            FIELD, kind=item.ref.id.kind, name=item.ref.id.name,
            size=f"{size / 1024 / 1024:.2f}",
        )  # fmt: skip
    return item


def with_object(item: ContentObject, obj: Mapping[str, Any]) -> ContentObject:
    """Return the item with other content at the same place."""
    changed = content_object(item.ref, obj)
    return replace(item, obj=changed.obj, data=changed.data, digest=changed.digest)
