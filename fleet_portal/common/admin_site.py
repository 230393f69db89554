"""The admin site itself. Apart from admin.py, which needs it ready while it registers models."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from fleet_portal.common.access import Role, request_access
from fleet_portal.common.errors import NotAllowed


def is_administrator(request: HttpRequest) -> bool:
    """Tell whether the viewer is administrator of everything; Django's own flags don't count."""
    return request_access(request).has(Role.ADMINISTRATOR)


class PortalAdminSite(AdminSite):
    """The admin site, judged by the portal's roles and entered by the portal's login."""

    site_header = "Fleet Portal"
    site_title = "Fleet Portal"
    index_title = _("Administration")

    def has_permission(self, request: HttpRequest) -> bool:
        return is_administrator(request)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if request.user.is_authenticated:
            raise NotAllowed
        return redirect_to_login(request.get_full_path())

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if request.method == "POST":
            logout(request)
        return redirect("login")

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return redirect("password")
