"""One decorator for what people do: a transaction, and an entry whether it is done or refused."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.db import transaction

from deployments.texts import refusals
from fleet_portal.common.audit import record
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.models import Project, User

Actor = User | str | None
P = ParamSpec("P")
T = TypeVar("T")
Action = Callable[Concatenate[Actor, Any, P], T]


def audited(name: str) -> Callable[[Action[P, T]], Action[P, T]]:
    """Run the action in one transaction; turn domain refusals into ActionRefused and record them.

    The action itself records what it did, since it knows the details. Its second argument is the
    thing or the project it is about.
    """

    def decorate(action: Action[P, T]) -> Action[P, T]:
        @wraps(action)
        def run(actor: Actor, about: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
            try:
                with transaction.atomic(), refusals():
                    return action(actor, about, *args, **kwargs)
            except ActionRefused as refused:
                detail = {"sentence": str(refused.sentence)[:500]}
                project = _project_of(about)
                record(actor, name, about, project=project, outcome="refused", detail=detail)
                raise

        return run

    return decorate


def _project_of(about: Any) -> Project | None:
    if isinstance(about, Project):
        return about
    application = getattr(about, "application", about)
    return getattr(application, "project", None)
