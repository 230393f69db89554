from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ClustersConfig(AppConfig):
    name = "clusters"
    verbose_name = _("Clusters")

    def ready(self) -> None:
        from clusters import actions, fragments, receivers, reports, words  # noqa: F401
        from fleet_portal.common.words import ACTIONS

        ACTIONS.update(words.ACTIONS)
        reports.register("api", actions.record_api)
        reports.register("nodes", actions.record_nodes)
        reports.register("usage", actions.record_usage)
        reports.register("access", actions.record_access)
