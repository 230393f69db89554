from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MeshConfig(AppConfig):
    name = "mesh"
    verbose_name = _("Mesh")

    def ready(self) -> None:
        from fleet_portal.common.words import ACTIONS
        from mesh import fragments, words  # noqa: F401 - fragments register themselves

        ACTIONS.update(words.ACTIONS)
