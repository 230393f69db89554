"""Reads, writes and subresources of resources: what each verb does with a request."""

from __future__ import annotations

from typing import Any

from fleet_portal.demo.apiserver import errors, reviews
from fleet_portal.demo.apiserver.authn import Tokens
from fleet_portal.demo.apiserver.calls import APPLY, Call, Outcome, patched
from fleet_portal.demo.apiserver.decoding import (
    check_applied,
    check_fields,
    check_types,
    decode,
    parse,
    without_unknown,
)
from fleet_portal.demo.apiserver.managers import Writer, record_update
from fleet_portal.demo.apiserver.objects import Deletion, Objects
from fleet_portal.demo.apiserver.rbac import Authorizer
from fleet_portal.demo.apiserver.requests import RequestInfo
from fleet_portal.demo.apiserver.scaling import handle_scale
from fleet_portal.demo.apiserver.schemas import Type, type_of, type_of_resource
from fleet_portal.demo.apiserver.selectors import both, field_matcher, label_matcher
from fleet_portal.demo.apiserver.store import Object, Store


class Handlers:
    """The verbs over one cluster's objects."""

    def __init__(
        self, store: Store, objects: Objects, authorizer: Authorizer, tokens: Tokens
    ) -> None:
        self._store = store
        self._objects = objects
        self._authorizer = authorizer
        self._tokens = tokens

    def handle(self, call: Call) -> Outcome:
        """Carry out any verb but watch and proxy. Raises ApiError."""
        info = call.info
        if info.subresource == "scale":
            return handle_scale(self._objects, call)
        if info.subresource == "token":
            body = call.sent() or {}
            args = (self._store, self._tokens, info.namespace, info.name, body)
            answer = reviews.token_request(*args)
            kind = type_of("authentication.k8s.io", "v1", "TokenRequest")
            return Outcome(self._owned(call, kind, answer, body, "token"), 201)
        if info.subresource == "eviction":
            self._objects.delete(info.resource, info.namespace, info.name, dry_run=call.dry_run)
            return Outcome(_success({}), 201)
        if info.resource.verbs == ("create",):
            body = decode(info.resource, call.sent())
            answer = reviews.review(info.resource.kind, body, call.user, self._authorizer)
            kind = type_of_resource(info.resource)
            return Outcome(self._owned(call, kind, answer, body), 201)
        handler = getattr(self, f"_{info.verb}")
        outcome: Outcome = handler(call)
        return outcome

    def _owned(
        self, call: Call, kind: Type, answer: Object, sent: Object, subresource: str = ""
    ) -> Object:
        """Return an answer that is never stored, with owners as if it were."""
        writer = Writer(call.manager, answer["apiVersion"], self._objects.now(), subresource)
        spec = {"metadata": {}, **({"spec": sent["spec"]} if sent.get("spec") else {})}
        noted = record_update(kind, None, spec, writer)["metadata"]
        return {**answer, "metadata": {**answer["metadata"], **noted}}

    def _get(self, call: Call) -> Outcome:
        info = call.info
        return Outcome(self._objects.live(info.resource, _namespace(info), info.name))

    def _list(self, call: Call) -> Outcome:
        info, query = call.info, call.query
        matches = both(
            label_matcher(query.get("labelSelector", "")),
            field_matcher(info.resource, query.get("fieldSelector", "")),
        )
        objects, revision, token, remaining = self._store.page(
            info.resource,
            info.namespace,
            matches,
            int(query.get("limit") or 0),
            query.get("continue", ""),
        )
        metadata: Object = {"resourceVersion": str(revision)}
        if token:
            metadata["continue"] = token
            metadata["remainingItemCount"] = remaining
        return Outcome(
            {
                "kind": f"{info.resource.kind}List",
                "apiVersion": info.resource.api_version,
                "metadata": metadata,
                "items": objects if info.resource.is_custom else [_untyped(o) for o in objects],
            }
        )

    def _decoded(self, call: Call, sent: Any) -> tuple[Object, list[str]]:
        resource = call.info.resource
        obj = _located(call.info, decode(resource, sent))
        check_types(resource, obj)
        warnings = check_fields(resource, obj, call.query.get("fieldValidation", "Warn"))
        return without_unknown(type_of_resource(resource), obj), warnings

    def _create(self, call: Call) -> Outcome:
        obj, warnings = self._decoded(call, call.sent())
        if obj["metadata"].get("resourceVersion"):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")
        made = self._objects.create(call.info.resource, obj, call.manager, dry_run=call.dry_run)
        return Outcome(made, 201, warnings)

    def _update(self, call: Call) -> Outcome:
        obj, warnings = self._decoded(call, call.sent())
        changed = self._objects.update(
            call.info.resource,
            obj,
            call.manager,
            subresource=call.info.subresource,
            dry_run=call.dry_run,
        )
        return Outcome(changed, 200, warnings)

    def _patch(self, call: Call) -> Outcome:
        if call.media_type == APPLY:
            return self._apply(call)
        info = call.info
        live = self._objects.live(info.resource, _namespace(info), info.name)
        sent = patched(call, live, type_of_resource(info.resource))
        obj, warnings = self._decoded(call, sent)
        changed = self._objects.update(
            info.resource,
            obj,
            call.manager,
            subresource=info.subresource,
            dry_run=call.dry_run,
        )
        return Outcome(changed, 200, warnings)

    def _apply(self, call: Call) -> Outcome:
        resource = call.info.resource
        if not call.query.get("fieldManager"):
            raise _manager_required()
        decoded = decode(resource, call.sent())
        if decoded["metadata"].get("managedFields") is not None:
            raise errors.bad_request("metadata.managedFields must be nil")
        check_applied(resource, decoded)
        obj = _located(call.info, decoded)
        made, new = self._objects.apply(
            resource,
            obj,
            call.manager,
            force=call.force,
            subresource=call.info.subresource,
            dry_run=call.dry_run,
        )
        return Outcome(made, 201 if new else 200)

    def _delete(self, call: Call) -> Outcome:
        info = call.info
        obj, gone = self._objects.delete(
            info.resource, _namespace(info), info.name, _deletion(call), dry_run=call.dry_run
        )
        if not gone or info.resource.kind == "Pod":
            return Outcome(obj)
        details = {"name": info.name, "group": info.resource.group, "kind": info.resource.plural}
        kept = {k: v for k, v in details.items() if v} | {"uid": obj["metadata"]["uid"]}
        return Outcome(_success(kept))

    def _deletecollection(self, call: Call) -> Outcome:
        listed = self._list(call)
        for obj in listed.body["items"]:
            metadata = obj["metadata"]
            self._objects.delete(
                call.info.resource,
                metadata.get("namespace", ""),
                metadata["name"],
                _deletion(call),
                dry_run=call.dry_run,
            )
        return listed


def _untyped(obj: Object) -> Object:
    """Return an object as it stands in a list of built-in kinds: without kind and version."""
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}


def _namespace(info: RequestInfo) -> str:
    return info.namespace if info.resource.namespaced else ""


def _located(info: RequestInfo, obj: Object) -> Object:
    """Return the object under the name and namespace of its path. Raises ApiError 400."""
    metadata = dict(obj["metadata"])
    if info.name and metadata.setdefault("name", info.name) != info.name:
        raise errors.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL "
            f"({info.name})"
        )
    if info.resource.namespaced:
        if metadata.setdefault("namespace", info.namespace) != info.namespace:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
    else:
        metadata.pop("namespace", None)
    return {**obj, "metadata": metadata}


def _deletion(call: Call) -> Deletion:
    sent = parse(call.body, "application/json") or {}
    grace = sent.get("gracePeriodSeconds", call.query.get("gracePeriodSeconds"))
    propagation = sent.get("propagationPolicy") or call.query.get("propagationPolicy")
    if sent.get("orphanDependents"):
        propagation = "Orphan"
    if sent.get("dryRun"):
        call.query["dryRun"] = sent["dryRun"][0]
    conditions = sent.get("preconditions") or {}
    return Deletion(
        int(grace) if grace is not None else None,
        propagation or "Background",
        conditions.get("uid") or "",
        conditions.get("resourceVersion") or "",
    )


def _success(details: Object) -> Object:
    body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return body | ({"details": details} if details else {})


def _manager_required() -> errors.ApiError:
    message = "Required value: is required for apply patch"
    cause = {"reason": "FieldValueRequired", "message": message, "field": "fieldManager"}
    return errors.ApiError(
        422,
        "Invalid",
        f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {message}',
        {"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [cause]},
    )
