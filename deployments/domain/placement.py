"""Choose clusters by name, region and labels, with a sentence for each decision. Pure.

A cluster is chosen when it is named, or when it fulfils all of the regions and conditions on
labels that are given. Then the project must be allowed to use the application's namespaces there.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clusters.domain.objects import Requirement, parse_selector, selects
from deployments.domain.sentences import Refusal, Sentence, listed
from fleet_portal.common.text import N_


@dataclass(frozen=True)
class ClusterFacts:
    """What placement knows of a cluster. `namespaces`: those the project may use there."""

    id: int
    name: str
    region: str
    labels: Mapping[str, str]
    mode: str
    namespaces: frozenset[str]


@dataclass(frozen=True)
class Selection:
    """Names some clusters. Empty: none at all."""

    clusters: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    conditions: tuple[Requirement, ...] = ()
    excluded: frozenset[str] = frozenset()

    @property
    def by_rule(self) -> bool:
        return bool(self.regions or self.conditions)

    def picks(self, cluster: ClusterFacts) -> bool:
        """Say whether the cluster is named or fulfils the rule."""
        if cluster.name in self.excluded:
            return False
        if cluster.name in self.clusters:
            return True
        if not self.by_rule or (self.regions and cluster.region not in self.regions):
            return False
        return selects(self.conditions, cluster.labels)


@dataclass(frozen=True)
class Decision:
    """Whether a cluster gets the application, and the sentence why."""

    cluster: ClusterFacts
    chosen: bool
    why: Sentence


def read_selection(given: Any, field: str) -> Selection:
    """Return {"clusters": [..], "regions": [..], "selector": text, "except": [..]} as a Selection.

    Every member may be absent. Raises Refusal on another shape.
    """
    if not isinstance(given, Mapping) or not set(given) <= {
        "clusters", "regions", "selector", "except",
    }:  # fmt: skip
        raise Refusal(
            N_("Clusters are chosen by “clusters”, “regions”, “selector” and “except” only."), field
        )
    selector = given.get("selector") or ""
    if not isinstance(selector, str) or len(selector) > 1000:
        raise Refusal(N_("Conditions on labels are a text such as env=prod,tier!=db."), field)
    try:
        conditions = parse_selector(selector)
    except ValueError:
        raise Refusal(
            N_("“%(selector)s” is not a condition on labels: write key=value or key in (a, b)."),
            field, selector=selector[:120],
        ) from None  # fmt: skip
    return Selection(
        _names(given.get("clusters"), field),
        _names(given.get("regions"), field),
        conditions,
        _names(given.get("except"), field),
    )


def _names(given: Any, field: str) -> frozenset[str]:
    if given is None:
        return frozenset()
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise Refusal(N_("Names of clusters and regions are a list of texts."), field)
    return frozenset(name for name in given if name)


def check_names(
    selection: Selection, clusters: Iterable[ClusterFacts], regions: Collection[str], field: str
) -> None:
    """Refuse names that no cluster or region has: a typo would silently choose nothing."""
    known = {cluster.name for cluster in clusters}
    for name in sorted((selection.clusters | selection.excluded) - known):
        raise Refusal(
            N_("There is no cluster “%(name)s”. There are: %(known)s."),
            field, name=name[:60], known=listed(sorted(known), 8) or "–",
        )  # fmt: skip
    for name in sorted(selection.regions - set(regions)):
        raise Refusal(
            N_("There is no region “%(name)s”. There are: %(known)s."),
            field, name=name[:60], known=listed(sorted(regions), 8) or "–",
        )  # fmt: skip


def choose_clusters(
    selection: Selection, clusters: Iterable[ClusterFacts], namespaces: Collection[str]
) -> list[Decision]:
    """Return a decision for each cluster, those that are chosen first.

    `namespaces`: what the application's objects need. Raises Refusal when nothing is chosen.
    """
    decisions = [_decide(selection, cluster, namespaces) for cluster in clusters]
    decisions.sort(key=lambda decision: (not decision.chosen, decision.cluster.name))
    if not any(decision.chosen for decision in decisions):
        raise _nothing(selection, decisions)
    return decisions


def _decide(selection: Selection, cluster: ClusterFacts, namespaces: Collection[str]) -> Decision:
    if not selection.picks(cluster):
        return Decision(cluster, False, _why_not(selection, cluster))
    if cluster.mode != "manage":
        text = N_("Matches, but its access mode is %(mode)s: only “manage” lets projects apply.")
        return Decision(cluster, False, Sentence(text, {"mode": cluster.mode}))
    missing = sorted(set(namespaces) - cluster.namespaces)
    if missing:
        text = N_(
            "Matches, but the project may not use namespace %(missing)s there. It may use:"
            " %(allowed)s."
        )
        allowed = listed(sorted(cluster.namespaces)) or "–"
        return Decision(
            cluster, False, Sentence(text, {"missing": listed(missing), "allowed": allowed})
        )
    return Decision(cluster, True, _why(selection, cluster))


def _why(selection: Selection, cluster: ClusterFacts) -> Sentence:
    if cluster.name in selection.clusters:
        return Sentence(N_("Chosen by name."))
    if selection.regions and selection.conditions:
        text = N_("Chosen: region %(region)s, and its labels match.")
        return Sentence(text, {"region": cluster.region})
    if selection.regions:
        return Sentence(N_("Chosen: region %(region)s."), {"region": cluster.region})
    return Sentence(N_("Chosen: its labels match."))


def _why_not(selection: Selection, cluster: ClusterFacts) -> Sentence:
    if cluster.name in selection.excluded:
        return Sentence(N_("Left out by name."))
    if selection.regions and cluster.region not in selection.regions:
        text = N_("Not chosen: region %(region)s is not asked for.")
        return Sentence(text, {"region": cluster.region or "–"})
    for condition in selection.conditions:
        if not condition.matches(cluster.labels):
            text = N_("Not chosen: its label %(key)s does not match.")
            return Sentence(text, {"key": condition.key})
    return Sentence(N_("Not chosen: neither named nor matched."))


def _nothing(selection: Selection, decisions: list[Decision]) -> Refusal:
    if not selection.clusters and not selection.by_rule:
        return Refusal(
            N_("The placement is empty: name clusters, regions or conditions on labels."),
            "placement",
        )
    matched = [decision for decision in decisions if selection.picks(decision.cluster)]
    if matched:
        first = matched[0]
        return Refusal(
            N_("The placement leaves no cluster to use. %(cluster)s: %(why)s"),
            "placement", cluster=first.cluster.name, why=str(first.why),
        )  # fmt: skip
    return Refusal(
        N_(
            "The placement matches none of the %(count)d clusters: change its names, regions or"
            " conditions on labels."
        ),
        "placement", count=len(decisions),
    )  # fmt: skip
