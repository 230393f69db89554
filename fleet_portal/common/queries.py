"""Read people, roles and the audit table, limited to what the viewer may see."""

from dataclasses import dataclass
from datetime import date

from django.db.models import Q, QuerySet

from fleet_portal.common.access import Access, Role
from fleet_portal.common.models import AuditEntry, Project, RoleBinding, Team, User


@dataclass(frozen=True)
class AuditFilter:
    """What to look for; an empty text or None looks for everything."""

    actor: str = ""
    action: str = ""
    object_text: str = ""
    outcome: str = ""
    since: date | None = None
    until: date | None = None

    @property
    def is_empty(self) -> bool:
        return self == AuditFilter()


def audit_visible_to(access: Access, wanted: AuditFilter | None = None) -> QuerySet[AuditEntry]:
    """Return entries, newest first: of projects the viewer sees, of no project to those who see
    everything, and always the viewer's own."""
    entries = AuditEntry.objects.select_related("project")
    if access.everywhere < Role.VIEWER:
        own = Q(actor=access.user_id) if access.user_id is not None else Q(pk__in=[])
        entries = entries.filter(Q(project__in=access.by_project) | own)
    return _filtered(entries, wanted or AuditFilter()).order_by("-id")


def _filtered(entries: QuerySet[AuditEntry], wanted: AuditFilter) -> QuerySet[AuditEntry]:
    if wanted.actor:
        entries = entries.filter(actor_name__icontains=wanted.actor)
    if wanted.action:
        entries = entries.filter(action__startswith=wanted.action)
    if wanted.object_text:
        entries = entries.filter(object_name__icontains=wanted.object_text)
    if wanted.outcome:
        entries = entries.filter(outcome=wanted.outcome)
    if wanted.since:
        entries = entries.filter(at__date__gte=wanted.since)
    if wanted.until:
        entries = entries.filter(at__date__lte=wanted.until)
    return entries


def projects_visible_to(access: Access) -> QuerySet[Project]:
    """Return the projects on which the viewer holds any role."""
    ids = access.project_ids(Role.VIEWER)
    return Project.objects.all() if ids is None else Project.objects.filter(pk__in=ids)


def projects_administered_by(access: Access) -> QuerySet[Project]:
    """Return the projects in which the viewer may give and take roles."""
    ids = access.project_ids(Role.ADMINISTRATOR)
    return Project.objects.all() if ids is None else Project.objects.filter(pk__in=ids)


def roles_administered_by(access: Access) -> QuerySet[RoleBinding]:
    """Return the roles that the viewer may take away: of those projects, or all of them."""
    bindings = RoleBinding.objects.select_related("user", "team", "project")
    return bindings.filter(access.projects(Role.ADMINISTRATOR)).order_by(
        "project__slug", "role", "team__slug", "user__username"
    )


def people_known_to(access: Access) -> QuerySet[User]:
    """Return the people whom an administrator may give a role; nobody to everybody else."""
    people = User.objects.filter(is_active=True).order_by("username")
    return people if administers_anything(access) else people.none()


def teams_known_to(access: Access) -> QuerySet[Team]:
    """Return the teams that an administrator may give a role; none to everybody else."""
    teams = Team.objects.all()
    return teams if administers_anything(access) else teams.none()


def administers_anything(access: Access) -> bool:
    """Tell whether the viewer may give and take roles anywhere."""
    return access.project_ids(Role.ADMINISTRATOR) != frozenset()
