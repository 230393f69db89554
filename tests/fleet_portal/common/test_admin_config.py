from django.contrib import admin

from fleet_portal.common.admin_site import PortalAdminSite


def test_the_portals_site_is_the_one_that_models_register_at() -> None:
    assert isinstance(admin.site._wrapped, PortalAdminSite)  # type: ignore[attr-defined]
