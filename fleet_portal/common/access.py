"""Who may do what: the one place that pages, REST and sockets ask.

A role is given on a project or on everything. Viewer sees, operator also changes what runs,
administrator also changes who may. Rights are read from live rows for each request.
"""

import enum
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.db.models import Q
from django.http import HttpRequest, HttpResponseBase

from fleet_portal.common.errors import NotAllowed, NotVisible
from fleet_portal.common.models import RoleBinding, User


class Role(enum.IntEnum):
    """Ordered: a higher role holds every right of the lower ones."""

    NONE = 0
    VIEWER = 1
    OPERATOR = 2
    ADMINISTRATOR = 3


_ROLES = {"viewer": Role.VIEWER, "operator": Role.OPERATOR, "administrator": Role.ADMINISTRATOR}


@dataclass(frozen=True)
class Access:
    """The rights of one viewer at one moment.

    `everywhere` is the role on everything; `by_project` maps project id -> role given there.
    """

    user_id: int | None
    everywhere: Role
    by_project: dict[int, Role]

    def role_on(self, project_id: int | None) -> Role:
        """Return the highest role on the project; on None (things of no project): everywhere's."""
        if project_id is None:
            return self.everywhere
        return max(self.everywhere, self.by_project.get(project_id, Role.NONE))

    def has(self, role: Role, project_id: int | None = None) -> bool:
        return self.role_on(project_id) >= role

    def require(self, role: Role, project_id: int | None = None) -> None:
        """Raise NotVisible to those who may not even see it, NotAllowed to those who may."""
        held = self.role_on(project_id)
        if held >= role:
            return
        if held == Role.NONE and not (project_id is None and self.by_project):
            raise NotVisible
        raise NotAllowed

    def project_ids(self, role: Role) -> frozenset[int] | None:
        """Return the projects on which the viewer holds `role`; None means all of them."""
        if self.everywhere >= role:
            return None
        return frozenset(pk for pk, held in self.by_project.items() if held >= role)

    def projects(self, role: Role, path: str = "project") -> Q:
        """Return the filter that limits rows, by the field at `path`, to `project_ids(role)`."""
        ids = self.project_ids(role)
        return Q() if ids is None else Q(**{f"{path}__in": sorted(ids)})

    @property
    def sees_anything(self) -> bool:
        return self.everywhere > Role.NONE or bool(self.by_project)

    @property
    def scope(self) -> str:
        """Return a digest of what this viewer may see: equal scopes see equal fragments."""
        rights = (int(self.everywhere), sorted((k, int(v)) for k, v in self.by_project.items()))
        return hashlib.sha256(repr(rights).encode()).hexdigest()[:16]


NOBODY = Access(user_id=None, everywhere=Role.NONE, by_project={})


def access_of(user: User | AnonymousUser | None) -> Access:
    """Return the rights that `user` holds now, directly and through teams (one query).

    A superuser is administrator everywhere; an inactive user has no rights at all.
    """
    if user is None or not isinstance(user, User) or not user.is_active:
        return NOBODY
    everywhere = Role.ADMINISTRATOR if user.is_superuser else Role.NONE
    by_project: dict[int, Role] = {}
    for binding in RoleBinding.objects.filter(Q(user=user) | Q(team__members=user)):
        role, project_id = _ROLES[binding.role], binding.project_id
        if project_id is None:
            everywhere = max(everywhere, role)
        else:
            by_project[project_id] = max(by_project.get(project_id, Role.NONE), role)
    return Access(user.pk, everywhere, by_project)


def request_access(request: HttpRequest) -> Access:
    """Return the viewer's rights, read once per request."""
    cached = getattr(request, "_fleet_access", None)
    if cached is None:
        cached = access_of(request.user)
        request._fleet_access = cached  # type: ignore[attr-defined]
    return cached


View = Callable[..., HttpResponseBase]


def requires(role: Role) -> Callable[[View], View]:
    """Let a view run only for people who hold `role` on anything; the view checks the object.

    Strangers are sent to the login page.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            access = request_access(request)
            held = max([access.everywhere, *access.by_project.values()])
            if held < role:
                raise NotAllowed
            return view(request, *args, **kwargs)

        return guarded

    return decorate
