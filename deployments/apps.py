from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DeploymentsConfig(AppConfig):
    name = "deployments"
    verbose_name = _("Applications and rollouts")

    def ready(self) -> None:
        from deployments import actions, fragments, words  # noqa: F401 - registers the fragments
        from fleet_portal.common.words import ACTIONS

        ACTIONS.update(words.ACTIONS)
        actions.register_reports()
