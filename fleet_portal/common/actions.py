"""Change who is here and what they may do. Every change is one transaction with its audit entry.

The portal always keeps one administrator of everything: what would take the last one away is
refused. A person is never deleted, only deactivated, so that a login is never used twice.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, Q
from django.utils.translation import gettext_lazy as _

from fleet_portal.common.audit import record
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.live.topics import announce
from fleet_portal.common.models import Project, RoleBinding, Team, User


def create_user(actor: User | str | None, user: User, password: str | None = None) -> User:
    """Save a new person; without a password nobody can log in as them until one is set."""
    with transaction.atomic():
        if password is None and not user.password:
            user.set_unusable_password()
        elif password is not None:
            _check_password(password, user)
            user.set_password(password)
        _validate(user)
        user.save()
        record(actor, "person.create", user)
        announce("person", user.pk, members=True)
    return user


def change_user(actor: User | str | None, user: User) -> User:
    """Save changed facts of a person; `user` carries the new values, the row the old ones."""
    with transaction.atomic():
        before = User.objects.select_for_update().get(pk=user.pk)
        changed = _differences(before, user, ("first_name", "last_name", "email", "is_active"))
        _validate(user)
        with _keeping_an_administrator():
            user.save()
        if changed:
            record(actor, _change_of(changed), user, detail=changed)
            announce("person", user.pk)
    return user


def deactivate_user(actor: User | str | None, user: User) -> User:
    """End a person's access at once; the row and its history stay."""
    user.is_active = False
    return change_user(actor, user)


def set_password(actor: User | str | None, user: User, password: str) -> None:
    """Set a password that passes the portal's rules; raises ActionRefused on a weak one."""
    with transaction.atomic():
        _check_password(password, user)
        user.set_password(password)
        user.save(update_fields=["password"])
        note_password_change(actor, user)


def note_password_change(actor: User | str | None, user: User) -> None:
    """Record a password that Django's own form has just set."""
    record(actor, "person.password", user)


def create_team(actor: User | str | None, team: Team, members: Iterable[User] = ()) -> Team:
    """Save a new team with its members."""
    with transaction.atomic():
        _validate(team)
        team.save()
        team.members.set(members)
        record(actor, "team.create", team, detail={"members": _logins(team)})
        announce("team", team.pk, members=True)
    return team


def change_team(actor: User | str | None, team: Team, members: Iterable[User]) -> Team:
    """Save a team's name and members; those who joined or left get their new rights at once."""
    with transaction.atomic():
        before = Team.objects.get(pk=team.pk)
        old_logins = _logins(team)
        _validate(team)
        with _keeping_an_administrator():
            team.save()
            team.members.set(members)
        changed = _differences(before, team, ("slug", "name"))
        if (logins := _logins(team)) != old_logins:
            changed["members"] = [old_logins, logins]
        if changed:
            record(actor, "team.change", team, detail=changed)
            announce("team", team.pk)
    return team


def delete_team(actor: User | str | None, team: Team) -> None:
    """Remove a team and the roles that were given to it."""
    with transaction.atomic():
        pk = team.pk
        record(actor, "team.delete", team, detail={"members": _logins(team)})
        with _keeping_an_administrator():
            team.delete()
        announce("team", pk, members=True)


def create_project(actor: User | str | None, project: Project) -> Project:
    """Save a new project."""
    with transaction.atomic():
        _validate(project)
        project.save()
        record(actor, "project.create", project, project=project)
        announce("project", project.pk, members=True)
    return project


def change_project(actor: User | str | None, project: Project) -> Project:
    """Save a project's name. Its slug is part of names inside clusters and stays."""
    with transaction.atomic():
        before = Project.objects.get(pk=project.pk)
        if before.slug != project.slug:
            raise ActionRefused(_("The slug of a project can't be changed: clusters know it."))
        _validate(project)
        project.save()
        changed = _differences(before, project, ("name",))
        if changed:
            record(actor, "project.change", project, project=project, detail=changed)
            announce("project", project.pk)
    return project


def grant_role(actor: User | str | None, binding: RoleBinding) -> RoleBinding:
    """Give a user or a team one role, on one project or (project empty) on everything."""
    with transaction.atomic():
        _validate(binding)
        binding.save()
        _record_role(actor, "role.grant", binding)
        announce("role", binding.pk, members=True)
    return binding


def revoke_role(actor: User | str | None, binding: RoleBinding) -> None:
    """Take a role away, unless nobody would be left to give it back."""
    with transaction.atomic():
        pk = binding.pk
        _record_role(actor, "role.revoke", binding)
        with _keeping_an_administrator():
            binding.delete()
        announce("role", pk, members=True)


def record_login(user: User, address: str) -> None:
    """Record that a person logged in."""
    record(user, "person.login", user, detail={"address": address})


def record_refused_login(login: str, address: str) -> None:
    """Record a refused login of an existing person; other texts may be a mistyped password."""
    user = User.objects.filter(username=login).first()
    if user is not None:
        record(None, "person.login", user, outcome="refused", detail={"address": address})


def _record_role(actor: User | str | None, action: str, binding: RoleBinding) -> None:
    subject = binding.user or binding.team
    detail = {
        "role": binding.role,
        "to": str(subject),
        "project": binding.project.slug if binding.project else "*",
    }
    record(actor, action, binding, project=binding.project, detail=detail)


@contextmanager
def _keeping_an_administrator() -> Iterator[None]:
    """Refuse, and so roll back, a change that takes the last administrator of everything away."""
    before = _has_an_administrator()
    yield
    if before and not _has_an_administrator():
        raise ActionRefused(
            _(
                "This would leave nobody to administer the portal: make somebody else"
                " administrator of everything first."
            )
        )


def _has_an_administrator() -> bool:
    everywhere = Q(role="administrator", project__isnull=True)
    holders = Q(user__is_active=True) | Q(team__members__is_active=True)
    superusers = User.objects.filter(is_superuser=True, is_active=True)
    return superusers.exists() or RoleBinding.objects.filter(everywhere & holders).exists()


def _change_of(changed: dict[str, list[Any]]) -> str:
    if "is_active" not in changed:
        return "person.change"
    return "person.activate" if changed["is_active"][1] else "person.deactivate"


def _differences(before: Model, after: Model, names: tuple[str, ...]) -> dict[str, list[Any]]:
    """Return name -> [old, new] of the fields that differ."""
    pairs = {name: [getattr(before, name), getattr(after, name)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _logins(team: Team) -> list[str]:
    return sorted(team.members.values_list("username", flat=True))


def _check_password(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ActionRefused(" ".join(error.messages), field="password") from None


def _validate(obj: Model) -> None:
    """Raise the first sentence that the model has against these values, with its field."""
    try:
        obj.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        named = None if field == "__all__" else field
        raise ActionRefused(messages[0], field=named) from None
