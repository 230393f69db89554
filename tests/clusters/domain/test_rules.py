"""The rules against what a real API server taught: listed names, no wildcards, one way only."""

from typing import Any

import pytest

from clusters.domain.names import names_for
from clusters.domain.rules import (
    OBSERVED,
    PEOPLE,
    PROJECT,
    READ,
    Grant,
    constrained_rules,
    legacy_rules,
    prometheus_grant,
    rules_of,
)

NAMES = names_for("manage", ["web"], ["shop"])
LEGACY = legacy_rules(NAMES)
CONSTRAINED = constrained_rules(NAMES, [*OBSERVED, *PEOPLE, *PROJECT])


def resources(rules: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    return [rule for rule in rules if wanted in rule.get("resources", [])]


@pytest.mark.parametrize("rules", [LEGACY, CONSTRAINED])
def test_users_and_groups_are_listed_one_by_one(rules: list[dict[str, Any]]) -> None:
    """A `users` rule without resourceNames is cluster-admin."""
    for wanted in ("users", "groups"):
        for rule in resources(rules, wanted):
            assert rule["resourceNames"]
            assert all(name.startswith("fleet:") for name in rule["resourceNames"])


@pytest.mark.parametrize(
    "rules",
    [LEGACY, CONSTRAINED, rules_of(OBSERVED), rules_of(PEOPLE), rules_of(PROJECT)],
)
def test_nothing_is_a_wildcard(rules: list[dict[str, Any]]) -> None:
    for rule in rules:
        for part in ("apiGroups", "resources", "verbs", "resourceNames"):
            assert "*" not in "".join(rule.get(part, []))


def test_legacy_puts_each_resource_in_its_own_group() -> None:
    """`uids` in the core group, or `users` in authentication.k8s.io, have no effect."""
    groups = {name: rule["apiGroups"] for rule in LEGACY for name in rule["resources"]}
    assert (groups["users"], groups["groups"]) == ([""], [""])
    assert groups["uids"] == ["authentication.k8s.io"]
    assert groups["userextras/fleet-portal.io/session"] == ["authentication.k8s.io"]


def test_the_two_ways_are_never_mixed() -> None:
    """Rights of one account add up and the wider way wins."""
    assert {verb for rule in LEGACY for verb in rule["verbs"]} == {"impersonate"}
    assert "impersonate" not in {verb for rule in CONSTRAINED for verb in rule["verbs"]}


def test_constrained_verbs_are_written_out() -> None:
    verbs = {verb for rule in CONSTRAINED for verb in rule["verbs"]}
    allowed = {"impersonate:user-info"}
    allowed |= {
        f"impersonate-on:user-info:{verb}"
        for verb in ("get", "list", "watch", "create", "update", "patch", "delete")
    }
    assert verbs == allowed | {"impersonate-on:user-info:deletecollection"}


@pytest.mark.parametrize("rules", [CONSTRAINED, rules_of(PROJECT), rules_of(OBSERVED)])
def test_nobody_reaches_for_the_cluster_itself(rules: list[dict[str, Any]]) -> None:
    forbidden = {"serviceaccounts/token", "nodes/proxy", "clusterroles", "roles", "rolebindings"}
    assert not forbidden & {name for rule in rules for name in rule.get("resources", [])}


def test_the_observer_reads_and_sees_no_secrets() -> None:
    assert all(grant.verbs == READ for grant in OBSERVED)
    assert not {"secrets", "configmaps"} & {name for grant in OBSERVED for name in grant.resources}


def test_an_observed_cluster_lists_no_groups() -> None:
    assert resources(legacy_rules(names_for("observe", ["web"], [])), "groups") == []


def test_the_same_right_is_printed_once() -> None:
    twice = [Grant("", ("pods",), READ), Grant("", ("pods",), ("get", "create"))]
    rules = resources(constrained_rules(NAMES, twice), "pods")
    assert [rule["verbs"] for rule in rules] == [
        [f"impersonate-on:user-info:{verb}" for verb in ("get", "list", "watch", "create")]
    ]


def test_prometheus_is_one_service() -> None:
    assert prometheus_grant("prom", 9090).rule() == {
        "apiGroups": [""],
        "resources": ["services/proxy"],
        "resourceNames": ["prom:9090"],
        "verbs": ["get"],
    }
