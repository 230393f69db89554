"""The live parts of the pages of this package: the audit list and the latest activity."""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from django.core.paginator import Paginator

from fleet_portal.common.access import Access
from fleet_portal.common.home import panels
from fleet_portal.common.live.fragments import Fragment, registry
from fleet_portal.common.queries import (
    AuditFilter,
    administers_anything,
    audit_visible_to,
    roles_administered_by,
)

AUDIT_PAGE_SIZE = 50
ACTIVITY_ROWS = 12


def audit_key(wanted: AuditFilter, page: int) -> str:
    """Return the fragment key of one page of the audit list; safe in an element's id."""
    values = {name: str(value) for name, value in asdict(wanted).items() if value}
    text = json.dumps([values, page], separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_audit_key(key: str) -> tuple[AuditFilter, int]:
    """Return what `audit_key` packed."""
    padded = key + "=" * (-len(key) % 4)
    values, page = json.loads(base64.urlsafe_b64decode(padded))
    for name in ("since", "until"):
        if name in values:
            values[name] = date.fromisoformat(values[name])
    return AuditFilter(**values), int(page)


def audit_context(access: Access, key: str) -> Mapping[str, Any]:
    wanted, page = read_audit_key(key)
    paginator = Paginator(audit_visible_to(access, wanted), AUDIT_PAGE_SIZE)
    page_obj = paginator.get_page(page)
    return {"entries": list(page_obj), "page_obj": page_obj, "filtered": not wanted.is_empty}


def activity_context(access: Access, key: str) -> Mapping[str, Any]:
    # Logins would push out of sight what people look for here.
    changes = audit_visible_to(access).exclude(action="person.login")
    return {"entries": list(changes[:ACTIVITY_ROWS])}


def roles_context(access: Access, key: str) -> Mapping[str, Any] | None:
    if not administers_anything(access):
        return None
    return {"bindings": list(roles_administered_by(access))}


audit_list = registry.register(
    Fragment(
        name="common-audit",
        template="common/fragments/audit.html",
        topics=lambda key: ["audit:members"],
        context=audit_context,
        personal=True,
    )
)
activity = panels.register(
    90,
    Fragment(
        name="common-activity",
        template="common/fragments/activity.html",
        topics=lambda key: ["audit:members"],
        context=activity_context,
        personal=True,
    ),
)
roles = registry.register(
    Fragment(
        name="common-roles",
        template="common/fragments/roles.html",
        topics=lambda key: ["role:members", "person:any", "team:any"],
        context=roles_context,
    )
)
