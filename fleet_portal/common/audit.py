"""Write the audit table. Called by every `actions.py`, in the transaction of the change."""

from typing import Any

from django.db.models import Model

from fleet_portal.common.live.topics import announce
from fleet_portal.common.models import AuditEntry, Project, User


def record(
    actor: User | str | None,
    action: str,
    obj: Model | None = None,
    *,
    name: str = "",
    project: Project | None = None,
    outcome: str = "done",
    detail: dict[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry.

    `actor`: a user, or a word such as `agent:eu-1` or `controller:rollouts`. `action`: verb and
    noun with a dot, `cluster.rename`. `detail` must hold no secret.
    """
    user = actor if isinstance(actor, User) else None
    actor_name = user.username if user else str(actor or "anonymous")
    entry = AuditEntry.objects.create(
        actor=user,
        actor_name=actor_name[:150],
        action=action,
        object_kind=obj._meta.model_name or "" if obj is not None else "",
        object_id=str(obj.pk) if obj is not None and obj.pk is not None else "",
        object_name=(name or (str(obj) if obj is not None else ""))[:255],
        project=project,
        outcome=outcome,
        detail=detail or {},
    )
    announce("audit", entry.pk, members=True)
    return entry
