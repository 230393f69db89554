"""The scale subresource: the replicas of a workload, read and written alone."""

from __future__ import annotations

from fleet_portal.demo.apiserver import errors
from fleet_portal.demo.apiserver.calls import APPLY, Call, Outcome, patched
from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.schemas import type_of
from fleet_portal.demo.apiserver.store import Object


def handle_scale(objects: Objects, call: Call) -> Outcome:
    """Answer a request on the scale of a workload. Raises ApiError."""
    info = call.info
    live = objects.live(info.resource, info.namespace, info.name)
    if info.verb == "get":
        return Outcome(scale_of(live))
    wanted = call.sent()
    if info.verb == "patch" and call.media_type != APPLY:
        wanted = patched(call, scale_of(live), type_of("autoscaling", "v1", "Scale"))
    replicas = wanted.get("spec", {}).get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        raise errors.bad_request("spec.replicas: must be a whole number of zero or more")
    return Outcome(scale_of(_written(objects, call, live, replicas)))


def _written(objects: Objects, call: Call, live: Object, replicas: int) -> Object:
    resource, metadata = call.info.resource, live["metadata"]
    if call.media_type != APPLY:
        obj = {**live, "spec": {**live["spec"], "replicas": replicas}}
        return objects.update(
            resource, obj, call.manager, subresource="scale", dry_run=call.dry_run
        )
    sent = {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": {"replicas": replicas},
    }
    changed, _ = objects.apply(
        resource, sent, call.manager, force=call.force, subresource="scale", dry_run=call.dry_run
    )
    return changed


def scale_of(obj: Object) -> Object:
    """Return the Scale view of a workload."""
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    spec = {"replicas": obj["spec"]["replicas"]} if obj["spec"].get("replicas") else {}
    labels = obj["spec"].get("selector", {}).get("matchLabels", {})
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    status: Object = {"replicas": obj.get("status", {}).get("replicas", 0), "selector": selector}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": spec,
        "status": status,
    }
