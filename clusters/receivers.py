"""Drop what gateways have cached about a person the moment their rights change.

Gateways keep an authorisation for a minute. Rights change in the admin, in actions and in
shells, so the rows themselves are watched; no rule is decided here.
"""

from typing import Any

from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save

from clusters.actions.events import tell_after_commit
from fleet_portal.common.models import RoleBinding, Team, User


def flush_person(person_id: Any) -> None:
    tell_after_commit("flush", {"person_id": str(person_id)})


def flush_everybody() -> None:
    tell_after_commit("flush", {})


def on_binding(sender: type[Model], instance: RoleBinding, **_: Any) -> None:
    if instance.user_id is not None:
        flush_person(instance.user_id)
    else:
        flush_everybody()


def on_user(sender: type[Model], instance: User, **values: Any) -> None:
    # `last_login` alone changes at each login and says nothing about rights.
    if set(values.get("update_fields") or ()) != {"last_login"}:
        flush_person(instance.pk)


def on_team_gone(sender: type[Model], **_: Any) -> None:
    # Its group travelled with each member's requests, also where it held no role.
    flush_everybody()


def on_team_members(sender: type[Model], action: str, **_: Any) -> None:
    if action.startswith("post_"):
        flush_everybody()


post_save.connect(on_binding, RoleBinding, dispatch_uid="clusters.binding.saved")
post_delete.connect(on_binding, RoleBinding, dispatch_uid="clusters.binding.deleted")
post_save.connect(on_user, User, dispatch_uid="clusters.user.saved")
m2m_changed.connect(on_team_members, Team.members.through, dispatch_uid="clusters.team.members")
post_delete.connect(on_team_gone, Team, dispatch_uid="clusters.team.deleted")
