"""What every change of an application begins with: the row as it is now, and who changes it."""

from django.utils.translation import gettext_lazy as _

from deployments.actions.audited import Actor
from deployments.models import Application
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.models import User


def actor_name(actor: Actor) -> str:
    return (actor.username if isinstance(actor, User) else str(actor or "anonymous"))[:150]


def editable(application: Application) -> Application:
    """Return the application as its row is now; refuse what can't be edited by hand."""
    application = Application.objects.select_related("project").get(pk=application.pk)
    if application.system:
        raise ActionRefused(
            _("%(name)s is the portal's own application: it follows what it is made from.")
            % {"name": application.name}
        )
    if application.deleting_at is not None:
        raise ActionRefused(_("%(name)s is being deleted.") % {"name": application.name})
    return application
