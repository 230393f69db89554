"""Puts the portal's own admin site in the place of Django's default one."""

from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    """Named in INSTALLED_APPS instead of `django.contrib.admin`."""

    default_site = "fleet_portal.common.admin_site.PortalAdminSite"
    default = False
