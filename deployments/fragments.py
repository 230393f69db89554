"""The live parts of the pages of applications and rollouts."""

import base64
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.core.paginator import Page, Paginator

from deployments import queries
from deployments.domain import statuses
from deployments.domain.rollout import OPEN, WaveFacts, next_state
from deployments.facts import rollout_facts
from deployments.models import Application, Rollout, Target
from deployments.queries import ApplicationFilter
from deployments.texts import say_note
from fleet_portal.common.access import Access, Role
from fleet_portal.common.home import panels
from fleet_portal.common.live.fragments import Fragment, registry

PAGE_SIZE = 50
TARGETS_PAGE_SIZE = 50
DECISIONS_SHOWN = 50
WAVE_ROWS = 50
WAITS_SHOWN = 20
HOME_ROWS = 6


@dataclass(frozen=True)
class ListKey:
    """What one page of the list of applications shows; packed into its fragment's key."""

    wanted: ApplicationFilter
    page: int = 1

    def pack(self) -> str:
        """Return a text that is safe in an element's id."""
        values = {name: value for name, value in asdict(self.wanted).items() if value}
        text = json.dumps([values, self.page], separators=(",", ":"), sort_keys=True)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def unpack(cls, key: str) -> "ListKey":
        values, page = json.loads(base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)))
        return cls(ApplicationFilter(**values), int(page))


def page_of(access: Access, key: ListKey) -> Page[Application]:
    """Return one page of the viewer's applications."""
    return Paginator(queries.applications_matching(access, key.wanted), PAGE_SIZE).get_page(
        key.page
    )


def applications_context(access: Access, key: str) -> Mapping[str, Any]:
    unpacked = ListKey.unpack(key)
    page = page_of(access, unpacked)
    return {
        "page_obj": page,
        "rows": list(page),
        "filtered": unpacked.wanted.is_narrow,
        "may_create": access.project_ids(Role.OPERATOR) != frozenset(),
    }


# One application.


def _application(access: Access, key: str) -> Application | None:
    if not key.isdigit():
        return None
    return queries.applications_visible_to(access).filter(pk=int(key)).first()


def head_context(access: Access, key: str) -> Mapping[str, Any] | None:
    application = _application(access, key)
    if application is None:
        return None
    counts, away = queries.health_counts(application)
    rollout = application.rollouts.first()
    return {
        "application": application,
        "latest": application.revisions.first(),
        "total": sum(count for _status, count in counts),
        "counts": counts,
        "away": away,
        "rollout": rollout,
        "rollout_status": statuses.ROLLOUT[rollout.state] if rollout else None,
    }


def targets_key(application: Application, page: int) -> str:
    return f"{application.pk}-{page}"


def targets_page(application: Application, page: int) -> Page[Target]:
    return Paginator(queries.targets_of(application), TARGETS_PAGE_SIZE).get_page(page)


def targets_context(access: Access, key: str) -> Mapping[str, Any] | None:
    pk, _dash, page = key.partition("-")
    application = _application(access, pk)
    if application is None:
        return None
    page_obj = targets_page(application, int(page or 1))
    return {
        "application": application,
        "page_obj": page_obj,
        "rows": queries.target_rows(application, page_obj),
    }


def revisions_context(access: Access, key: str) -> Mapping[str, Any] | None:
    application = _application(access, key)
    if application is None:
        return None
    return {
        "application": application,
        "revisions": list(queries.revisions_of(application)[:30]),
        "may_operate": _operates(access, application),
    }


def placement_context(access: Access, key: str) -> Mapping[str, Any] | None:
    application = _application(access, key)
    if application is None:
        return None
    decisions, nothing = queries.decisions_of(application)
    return {
        "application": application,
        "decisions": decisions[:DECISIONS_SHOWN],
        "more": max(0, len(decisions) - DECISIONS_SHOWN),
        "chosen_count": sum(row.decision.chosen for row in decisions),
        "nothing": nothing,
        "overrides": list(application.overrides.all()),
    }


def _operates(access: Access, application: Application) -> bool:
    return access.has(Role.OPERATOR, application.project_id) and not application.system


# Rollouts.


def rollouts_page(access: Access, page: int) -> Page[Rollout]:
    rows = queries.rollouts_counted(queries.rollouts_visible_to(access))
    return Paginator(rows, PAGE_SIZE).get_page(page)


def rollouts_context(access: Access, key: str) -> Mapping[str, Any]:
    page = rollouts_page(access, int(key or 1))
    rows = [(rollout, statuses.ROLLOUT[rollout.state]) for rollout in page]
    return {"page_obj": page, "rows": rows}


def rollout_context(access: Access, key: str) -> Mapping[str, Any] | None:
    rollout = queries.rollouts_visible_to(access).filter(pk=int(key)).first()
    if rollout is None:
        return None
    facts = rollout_facts(rollout)
    return {
        "rollout": rollout,
        "status": statuses.ROLLOUT[rollout.state],
        "waves": [_wave(wave) for wave in facts.waves],
        "waits": queries.waits_of(facts)[:WAITS_SHOWN],
        "notes": [say_note(note) for note in rollout.notes],
    }


def steer_context(access: Access, key: str) -> Mapping[str, Any] | None:
    """Say what a person may do with the rollout as it is now: nothing once it has ended."""
    rollout = queries.rollouts_visible_to(access).filter(pk=int(key)).first()
    if rollout is None or not access.has(Role.OPERATOR, rollout.application.project_id):
        return None
    return {
        f"may_{event}": next_state(rollout.state, event) is not None
        for event in ("pause", "resume", "abort")
    }


def _wave(wave: WaveFacts) -> dict[str, Any]:
    """Return a wave for its table: counts of all, rows of those that have not passed first."""
    passed = (statuses.SOAKED, statuses.REMOVED)
    rows = sorted(wave.targets, key=lambda target: (target.state in passed, target.cluster))
    counts = Counter(target.state for target in wave.targets)
    return {
        "wave": wave,
        "status": statuses.WAVE[wave.state],
        "counts": [
            (status, counts[status.value])
            for status in statuses.WAVE_TARGET
            if counts[status.value]
        ],
        "targets": [(target, statuses.WAVE_TARGET[target.state]) for target in rows[:WAVE_ROWS]],
        "more": max(0, len(rows) - WAVE_ROWS),
    }


def home_context(access: Access, key: str) -> Mapping[str, Any]:
    rollouts = queries.rollouts_counted(queries.rollouts_visible_to(access))
    shown = rollouts.filter(state__in=OPEN)[:HOME_ROWS]
    return {
        "rollouts": [(rollout, statuses.ROLLOUT[rollout.state]) for rollout in shown],
        "targets": [
            (target, statuses.SYNC[target.sync], statuses.HEALTH[target.health])
            for target in queries.troubled_targets(access, HOME_ROWS)
        ],
    }


registry.register(
    Fragment(
        name="deployments-list",
        template="deployments/fragments/list.html",
        topics=lambda key: ["application:any"],
        context=applications_context,
    )
)
registry.register(
    Fragment(
        name="deployments-head",
        template="deployments/fragments/head.html",
        topics=lambda key: [f"application:{key}", "cluster:any"],
        context=head_context,
    )
)
registry.register(
    Fragment(
        name="deployments-targets",
        template="deployments/fragments/targets.html",
        topics=lambda key: [f"application:{key.partition('-')[0]}", "cluster:any"],
        context=targets_context,
    )
)
registry.register(
    Fragment(
        name="deployments-revisions",
        template="deployments/fragments/revisions.html",
        topics=lambda key: [f"application:{key}"],
        context=revisions_context,
    )
)
registry.register(
    Fragment(
        name="deployments-placement",
        template="deployments/fragments/placement.html",
        topics=lambda key: [f"application:{key}", "cluster:members"],
        context=placement_context,
    )
)
registry.register(
    Fragment(
        name="deployments-rollouts",
        template="deployments/fragments/rollouts.html",
        topics=lambda key: ["rollout:any"],
        context=rollouts_context,
    )
)
registry.register(
    Fragment(
        name="deployments-rollout",
        template="deployments/fragments/rollout.html",
        topics=lambda key: [f"rollout:{key}", "cluster:any"],
        context=rollout_context,
    )
)
registry.register(
    Fragment(
        name="deployments-steer",
        template="deployments/fragments/steer.html",
        topics=lambda key: [f"rollout:{key}"],
        context=steer_context,
    )
)
panels.register(
    40,
    Fragment(
        name="deployments-home",
        template="deployments/fragments/home.html",
        topics=lambda key: ["rollout:any", "target:any"],
        context=home_context,
    ),
)
