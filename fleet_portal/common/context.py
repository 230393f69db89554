"""What every template knows: the viewer's rights and the portal's version."""

from typing import Any

from django.http import HttpRequest

from fleet_portal.common.access import Role, request_access

VERSION = "0.1.0"


def portal(request: HttpRequest) -> dict[str, Any]:
    if not hasattr(request, "user"):
        return {"portal_version": VERSION}
    access = request_access(request)
    return {
        "access": access,
        "is_administrator": access.has(Role.ADMINISTRATOR),
        "is_operator": access.has(Role.OPERATOR),
        "portal_version": VERSION,
    }
