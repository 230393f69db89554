"""Which clusters are chosen, and the sentence for each."""

from typing import Any

import pytest

from deployments.domain.placement import (
    ClusterFacts,
    check_names,
    choose_clusters,
    read_selection,
)
from deployments.domain.sentences import Refusal
from tests.deployments.domain.facts import cluster

FLEET = [
    cluster("eu-1", "eu", labels={"env": "prod", "tier": "web"}),
    cluster("eu-2", "eu", labels={"env": "test"}),
    cluster("us-1", "us", labels={"env": "prod"}),
]


def chosen(placement: dict[str, Any], fleet: list[ClusterFacts] = FLEET) -> list[str]:
    decisions = choose_clusters(read_selection(placement, "placement"), fleet, ["shop"])
    return [decision.cluster.name for decision in decisions if decision.chosen]


@pytest.mark.parametrize(
    ("placement", "names"),
    [
        ({"clusters": ["eu-2"]}, ["eu-2"]),
        ({"regions": ["eu"]}, ["eu-1", "eu-2"]),
        ({"selector": "env=prod"}, ["eu-1", "us-1"]),
        ({"regions": ["eu"], "selector": "env=prod"}, ["eu-1"]),
        ({"regions": ["us"], "clusters": ["eu-2"]}, ["eu-2", "us-1"]),
        ({"regions": ["eu", "us"], "except": ["eu-1"]}, ["eu-2", "us-1"]),
        ({"selector": "env in (prod, test),tier"}, ["eu-1"]),
        ({"selector": "!tier"}, ["eu-2", "us-1"]),
        ({"clusters": ["eu-1"], "except": ["eu-1"], "regions": ["us"]}, ["us-1"]),
    ],
)
def test_chooses(placement: dict[str, Any], names: list[str]) -> None:
    assert chosen(placement) == names


@pytest.mark.parametrize(
    ("placement", "sentence"),
    [
        ({}, "The placement is empty"),
        ({"except": ["eu-1"]}, "The placement is empty"),
        ({"selector": "env=nowhere"}, "matches none of the 3 clusters"),
        ({"regions": ["eu"], "selector": "region=x"}, "matches none"),
    ],
)
def test_refuses_to_choose_nothing(placement: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        chosen(placement)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"mode": "observe"}, "access mode is observe"),
        ({"namespaces": frozenset({"tea"})}, "may not use namespace shop there. It may use: tea"),
        ({"namespaces": frozenset()}, "may not use namespace shop there"),
    ],
)
def test_says_why_a_matching_cluster_is_no_use(facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal, match=f"leaves no cluster to use. eu-9: .*{sentence}"):
        chosen({"clusters": ["eu-9"]}, [*FLEET, cluster("eu-9", **facts)])


def test_leaves_out_a_cluster_of_no_use_and_takes_the_others() -> None:
    fleet = [*FLEET, cluster("eu-9", namespaces=frozenset())]
    assert chosen({"regions": ["eu"]}, fleet) == ["eu-1", "eu-2"]


@pytest.mark.parametrize(
    ("placement", "name", "sentence"),
    [
        ({"clusters": ["eu-1"]}, "eu-1", "Chosen by name."),
        ({"clusters": ["eu-1"]}, "us-1", "Not chosen: neither named nor matched."),
        ({"regions": ["eu"]}, "eu-1", "Chosen: region eu."),
        ({"regions": ["eu"]}, "us-1", "Not chosen: region us is not asked for."),
        ({"selector": "env=prod"}, "eu-1", "Chosen: its labels match."),
        ({"selector": "env=prod"}, "eu-2", "Not chosen: its label env does not match."),
        (
            {"regions": ["eu"], "selector": "env"},
            "eu-1",
            "Chosen: region eu, and its labels match.",
        ),
        ({"regions": ["eu"], "except": ["eu-1"]}, "eu-1", "Left out by name."),
    ],
)
def test_gives_each_decision_a_sentence(placement: Any, name: str, sentence: str) -> None:
    decisions = choose_clusters(read_selection(placement, "placement"), FLEET, ["shop"])
    assert {d.cluster.name: str(d.why) for d in decisions}[name] == sentence


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "by “clusters”"),
        ({"cluster": ["a"]}, "by “clusters”"),
        ({"clusters": "eu-1"}, "list of texts"),
        ({"regions": [1]}, "list of texts"),
        ({"selector": ["a"]}, "Conditions on labels are a text"),
        ({"selector": "env=prod;drop"}, "is not a condition on labels"),
        ({"selector": "a=" + "x" * 2000}, "Conditions on labels are a text"),
    ],
)
def test_refuses_other_shapes(given: Any, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        read_selection(given, "placement")


@pytest.mark.parametrize(
    ("placement", "sentence"),
    [
        ({"clusters": ["eu-7"]}, "no cluster “eu-7”. There are: eu-1, eu-2, us-1"),
        ({"except": ["eu-7"]}, "no cluster “eu-7”"),
        ({"regions": ["mars"]}, "no region “mars”. There are: eu, us"),
    ],
)
def test_refuses_names_that_nothing_has(placement: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        check_names(read_selection(placement, "placement"), FLEET, ["eu", "us"], "placement")
