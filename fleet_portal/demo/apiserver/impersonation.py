"""Impersonate-* headers: whom a request asks to run as, and whether it may.

Both modes of Kubernetes 1.36: constrained (`impersonate:user-info` on the identity, and
`impersonate-on:user-info:VERB` on what is asked), and the older `impersonate` verb, which is tried
when the first refuses. Refusals are worded by the older mode, as real servers do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from fleet_portal.demo.apiserver.authn import (
    AUTHENTICATED,
    MASTERS,
    User,
    account_groups,
    account_of,
)
from fleet_portal.demo.apiserver.errors import bad_request
from fleet_portal.demo.apiserver.rbac import Ask, Authorizer

_AUTHN = "authentication.k8s.io"
_EXTRA = "impersonate-extra-"


def requested_user(headers: list[tuple[str, str]]) -> User | None:
    """Return the identity the headers ask for, None without any.

    `headers`: (name, value) pairs as received. Raises ApiError 400 for groups, uid or extras that
    come without a user.
    """
    name = next((v for k, v in headers if k.lower() == "impersonate-user"), "")
    uid = next((v for k, v in headers if k.lower() == "impersonate-uid"), "")
    groups = [v for k, v in headers if k.lower() == "impersonate-group"]
    extra: dict[str, list[str]] = {}
    for key, value in headers:
        if key.lower().startswith(_EXTRA):
            extra.setdefault(unquote(key.lower()[len(_EXTRA) :]), []).append(value)
    if not name:
        if uid or groups or extra:
            raise bad_request(_nobody(uid, groups, extra))
        return None
    account = account_of(name)
    if account and not groups:
        groups = list(account_groups(account[0]))
    return User(name, tuple(groups), uid, extra)


def _nobody(uid: str, groups: list[str], extra: dict[str, list[str]]) -> str:
    """Return the sentence about a request that names no user, with its Go values."""

    def listed(values: list[str]) -> str:
        inner = ", ".join(f'"{value}"' for value in values)
        return f"[]string{{{inner}}}" if values else "[]string(nil)"

    extras = ", ".join(f'"{key}":{listed(values)}' for key, values in sorted(extra.items()))
    shown = f"map[string][]string{{{extras}}}" if extra else "map[string][]string(nil)"
    return (
        f'requested &user.DefaultInfo{{Name:"", UID:"{uid}", Groups:{listed(groups)}, '
        f"Extra:{shown}}} without impersonating a user name"
    )


def impersonate(authorizer: Authorizer, asker: User, wanted: User, ask: Ask) -> User:
    """Return whom a request runs as. Raises ApiError 403 that names what was refused."""
    if not _constrained_allows(authorizer, asker, wanted, ask):
        for question in _questions(wanted, "impersonate"):
            authorizer.check(asker, question)
    groups = wanted.groups
    if wanted.name != "system:anonymous" and AUTHENTICATED not in groups:
        groups = (*groups, AUTHENTICATED)
    return User(wanted.name, groups, wanted.uid, wanted.extra)


def _questions(wanted: User, verb: str) -> Iterator[Ask]:
    account = account_of(wanted.name)
    if account and verb == "impersonate":
        yield Ask(verb, "", "serviceaccounts", account[0], account[1])
    else:
        yield Ask(verb, "", "users", name=wanted.name)
    if not (account and wanted.groups == account_groups(account[0])):
        for group in wanted.groups:
            yield Ask(verb, "", "groups", name=group)
    for key, values in wanted.extra.items():
        for value in values:
            yield Ask(verb, _AUTHN, f"userextras/{key}", name=value)
    if wanted.uid:
        yield Ask(verb, _AUTHN, "uids", name=wanted.uid)


def _constrained_allows(authorizer: Authorizer, asker: User, wanted: User, ask: Ask) -> bool:
    if account_of(wanted.name) or MASTERS in wanted.groups:
        return False
    on = replace(ask, verb=f"impersonate-on:user-info:{ask.verb}")
    questions = (replace(q, group=_AUTHN) for q in _questions(wanted, "impersonate:user-info"))
    return authorizer.allows(asker, on) and all(authorizer.allows(asker, q) for q in questions)
