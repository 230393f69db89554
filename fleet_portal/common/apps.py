from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CommonConfig(AppConfig):
    name = "fleet_portal.common"
    label = "common"
    verbose_name = _("People and access")

    def ready(self) -> None:
        from fleet_portal.common import fragments  # noqa: F401 - registers the fragments
