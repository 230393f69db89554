"""Decide what each cluster would get from one revision: placement, then overrides. Pure.

Clusters whose overrides are the same share one rendering, so a thousand clusters with three
kinds of overrides cost three renderings.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from deployments.domain.content import Content, ContentObject, digest_of_objects
from deployments.domain.overrides import (
    FIELD,
    Override,
    apply_changes,
    missed_operations,
    resolve,
    without_missed,
)
from deployments.domain.placement import ClusterFacts, Decision, Selection, choose_clusters
from deployments.domain.sentences import Refusal, Sentence
from fleet_portal.common.text import N_


@dataclass(frozen=True)
class Rendered:
    """What a cluster gets. `digest` leaves replica counts out."""

    objects: tuple[ContentObject, ...]
    digest: str
    replicas: Mapping[str, int]
    overrides: tuple[str, ...] = ()

    def entries(self) -> list[dict[str, str]]:
        return [item.as_json() for item in self.objects]


@dataclass
class Plan:
    """Decisions for all clusters, and the content by id of each chosen one.

    `notes`: what was left out, in sentences.
    """

    decisions: list[Decision]
    targets: dict[int, Rendered] = field(default_factory=dict)
    notes: list[Sentence] = field(default_factory=list)

    @property
    def chosen(self) -> list[ClusterFacts]:
        return [decision.cluster for decision in self.decisions if decision.chosen]


def plan_targets(
    content: Content,
    replicas: Mapping[str, int],
    selection: Selection,
    overrides: Sequence[Override],
    clusters: Iterable[ClusterFacts],
    *,
    lenient: bool = False,
) -> Plan:
    """Return which clusters get what.

    `lenient` (going back to an earlier revision): an override that hits nothing there is left
    out and noted; else it is refused. Raises Refusal.
    """
    namespaces = {item.ref.id.namespace for item in content.objects}
    plan = Plan(choose_clusters(selection, clusters, namespaces))
    if lenient:
        overrides = _hitting(overrides, content, plan)
    _check_overrides_are_used(overrides, plan, lenient)
    rendered: dict[tuple[str, ...], Rendered] = {}
    for cluster in plan.chosen:
        active = [override for override in overrides if override.selection.picks(cluster)]
        names = tuple(override.name for override in active)
        if names not in rendered:
            rendered[names] = render(content, replicas, active)
        plan.targets[cluster.id] = rendered[names]
    return plan


def render(content: Content, replicas: Mapping[str, int], active: Sequence[Override]) -> Rendered:
    """Return the content with the overrides of one cluster applied."""
    objects, counts = apply_changes(content, resolve(active, content), replicas)
    digest = digest_of_objects(item.as_json() for item in objects)
    return Rendered(objects, digest, counts, tuple(override.name for override in active))


def _hitting(overrides: Sequence[Override], content: Content, plan: Plan) -> list[Override]:
    kept = []
    for override in overrides:
        plan.notes += missed_operations(override, content)
        kept.append(without_missed(override, content))
    return [override for override in kept if override.operations]


def _check_overrides_are_used(overrides: Sequence[Override], plan: Plan, lenient: bool) -> None:
    for override in overrides:
        if any(override.selection.picks(cluster) for cluster in plan.chosen):
            continue
        refusal = Refusal(
            N_(
                "Override %(name)s hits none of the clusters the placement chooses: change its"
                " clusters, or remove it."
            ),
            FIELD,
            name=override.name,
        )
        if not lenient:
            raise refusal
        plan.notes.append(refusal.sentence)
