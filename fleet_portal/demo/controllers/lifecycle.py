"""Namespaces and owners: what a namespace starts with, and what goes when something goes."""

from __future__ import annotations

from fleet_portal.demo.apiserver.errors import ApiError
from fleet_portal.demo.apiserver.kinds import RESOURCES
from fleet_portal.demo.apiserver.objects import Deletion
from fleet_portal.demo.apiserver.store import Change, Object
from fleet_portal.demo.controllers.base import MANAGER, Context, is_ending, kind

NAMESPACES = kind("", "Namespace")
ACCOUNTS = kind("", "ServiceAccount")
CONFIG_MAPS = kind("", "ConfigMap")
PODS = kind("", "Pod")
_STORED = [r for r in RESOURCES if "list" in r.verbs]
_FOREGROUND = "foregroundDeletion"
_ORPHAN = "orphan"


def reconcile_namespace(context: Context, _namespace: str, name: str) -> None:
    """Give a namespace its default ServiceAccount, or empty and remove one that is ending."""
    holder = context.store.get(NAMESPACES, "", name)
    if holder is None:
        return
    if is_ending(holder):
        _empty(context, name)
        return
    if context.store.get(ACCOUNTS, name, "default") is None:
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": name},
        }
        context.objects.create(ACCOUNTS, account, MANAGER)
    if context.store.get(CONFIG_MAPS, name, "kube-root-ca.crt") is None:
        config = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "kube-root-ca.crt", "namespace": name},
            "data": {"ca.crt": ""},
        }
        context.objects.create(CONFIG_MAPS, config, MANAGER)


def _empty(context: Context, name: str) -> None:
    left = 0
    for resource in _STORED:
        if not resource.namespaced:
            continue
        for obj in context.store.all(resource, name):
            left += 1
            if not is_ending(obj):
                context.objects.delete(resource, name, obj["metadata"]["name"])
    if left:
        context.again(0.2, NAMESPACES, "", name)
    else:
        context.objects.purge(NAMESPACES, "", name)


def dependents(context: Context, owner: Object) -> list[tuple[Object, str]]:
    """Return (object, its kind's plural) of everything that names an owner."""
    uid = owner["metadata"]["uid"]
    namespace = owner["metadata"].get("namespace", "")
    return [
        (obj, resource.plural)
        for resource in _STORED
        for obj in context.store.all(resource, namespace)
        if any(r["uid"] == uid for r in obj["metadata"].get("ownerReferences") or ())
    ]


def collect(context: Context, change: Change) -> None:
    """Carry a deletion on to what the deleted object owned."""
    finalizers = change.obj["metadata"].get("finalizers") or []
    if change.kind == "DELETED":
        _delete_dependents(context, change.obj, Deletion())
    elif is_ending(change.obj) and _ORPHAN in finalizers:
        _orphan_dependents(context, change.obj)
        _drop_finalizer(context, change, _ORPHAN)
    elif is_ending(change.obj) and _FOREGROUND in finalizers:
        if _delete_dependents(context, change.obj, Deletion(propagation="Foreground")):
            metadata = change.obj["metadata"]
            context.again(0.2, change.resource, metadata.get("namespace", ""), metadata["name"])
        else:
            _drop_finalizer(context, change, _FOREGROUND)


def _delete_dependents(context: Context, owner: Object, deletion: Deletion) -> int:
    found = dependents(context, owner)
    for obj, _ in found:
        resource = kind(_group(obj), obj["kind"])
        if not is_ending(obj):
            metadata = obj["metadata"]
            context.objects.delete(
                resource, metadata.get("namespace", ""), metadata["name"], deletion
            )
    return len(found)


def _orphan_dependents(context: Context, owner: Object) -> None:
    uid = owner["metadata"]["uid"]
    for obj, _ in dependents(context, owner):
        kept = [r for r in obj["metadata"]["ownerReferences"] if r["uid"] != uid]
        metadata = {k: v for k, v in obj["metadata"].items() if k != "ownerReferences"}
        if kept:
            metadata["ownerReferences"] = kept
        context.objects.update(
            kind(_group(obj), obj["kind"]), {**obj, "metadata": metadata}, MANAGER
        )


def _drop_finalizer(context: Context, change: Change, name: str) -> None:
    metadata = change.obj["metadata"]
    live = context.store.get(change.resource, metadata.get("namespace", ""), metadata["name"])
    if live is None:
        return
    kept = [f for f in live["metadata"].get("finalizers") or [] if f != name]
    bare = {k: v for k, v in live["metadata"].items() if k != "finalizers"}
    if kept:
        bare["finalizers"] = kept
    try:
        context.objects.update(change.resource, {**live, "metadata": bare}, MANAGER)
    except ApiError as error:
        if error.code != 404:
            raise


def _group(obj: Object) -> str:
    group, slash, _ = obj["apiVersion"].partition("/")
    return group if slash else ""
