"""Answers that are computed, not stored: access reviews, and tokens of ServiceAccounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fleet_portal.demo.apiserver.authn import ACCOUNTS, ISSUER, Tokens, User
from fleet_portal.demo.apiserver.errors import ApiError, Cause, bad_request, not_found
from fleet_portal.demo.apiserver.objects import timestamp
from fleet_portal.demo.apiserver.rbac import Ask, Authorizer
from fleet_portal.demo.apiserver.store import Object, Store

_SHORTEST_SECONDS = 600
_USUAL_SECONDS = 3600


def review(kind: str, body: Object, user: User, authorizer: Authorizer) -> Object:
    """Return the answer to a review that was created; `kind` is the review's kind."""
    answer = {**body, "metadata": body.get("metadata") or {}}
    if kind == "SelfSubjectReview":
        answer["status"] = {"userInfo": _user_info(user)}
    elif kind == "SelfSubjectRulesReview":
        namespace = body.get("spec", {}).get("namespace", "")
        answer["status"] = _rules(authorizer, user, namespace)
    else:
        spec = body.get("spec", {})
        about = user if kind == "SelfSubjectAccessReview" else _subject(spec)
        answer["status"] = _access(authorizer, about, spec)
    return answer


def _user_info(user: User) -> Object:
    info: Object = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = user.extra
    return info


def _subject(spec: Object) -> User:
    return User(spec.get("user", ""), tuple(spec.get("groups", ())), spec.get("uid", ""))


def _access(authorizer: Authorizer, user: User, spec: Object) -> Object:
    resource = spec.get("resourceAttributes") or {}
    other = spec.get("nonResourceAttributes") or {}
    if bool(resource) == bool(other):
        raise bad_request("exactly one of nonResourceAttributes or resourceAttributes must be set")
    if other:
        ask = Ask(other.get("verb", ""), path=other.get("path", ""))
    else:
        plural, sub = resource.get("resource", ""), resource.get("subresource", "")
        ask = Ask(
            resource.get("verb", ""),
            resource.get("group", ""),
            f"{plural}/{sub}" if sub else plural,
            resource.get("namespace", ""),
            resource.get("name", ""),
        )
    return {"allowed": authorizer.allows(user, ask)}


def _rules(authorizer: Authorizer, user: User, namespace: str) -> Object:
    rules = list(authorizer.rules_for(user, namespace))
    return {
        "resourceRules": [r for r in rules if r.get("resources")],
        "nonResourceRules": [r for r in rules if r.get("nonResourceURLs")],
        "incomplete": False,
    }


def token_request(
    store: Store, tokens: Tokens, namespace: str, name: str, body: dict[str, Any]
) -> Object:
    """Return a TokenRequest with its token. Raises ApiError 404 or 422."""
    account = store.get(ACCOUNTS, namespace, name)
    if account is None:
        raise not_found(ACCOUNTS, name)
    spec = body.get("spec") or {}
    seconds = spec.get("expirationSeconds") or _USUAL_SECONDS
    if seconds < _SHORTEST_SECONDS:
        raise _too_short(name, seconds)
    audiences = spec.get("audiences") or [ISSUER]
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": timestamp(datetime.now(UTC)),
        },
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": None},
        "status": {
            "token": tokens.issue(account, seconds, audiences),
            "expirationTimestamp": timestamp(end),
        },
    }


def _too_short(name: str, seconds: int) -> ApiError:
    cause = Cause(
        "FieldValueInvalid",
        "spec.expirationSeconds",
        f"Invalid value: {seconds}: may not specify a duration less than 10 minutes",
    )
    return ApiError(
        422,
        "Invalid",
        f'TokenRequest.authentication.k8s.io "" is invalid: {cause.field}: {cause.message}',
        {
            "group": "authentication.k8s.io",
            "kind": "TokenRequest",
            "causes": [{"reason": cause.reason, "message": cause.message, "field": cause.field}],
        },
    )
