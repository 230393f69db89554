from typing import Any

import pytest

from deployments.domain.overrides import Override, read_operations
from deployments.domain.placement import read_selection
from deployments.domain.planner import Plan, plan_targets
from deployments.domain.sentences import Refusal
from tests.deployments.domain.facts import cluster, content

FLEET = [cluster("eu-1"), cluster("eu-2"), cluster("us-1", "us")]
EVERYWHERE = read_selection({"regions": ["eu", "us"]}, "placement")


def override(name: str, operation: dict[str, Any], **selector: Any) -> Override:
    selection = read_selection(selector, "overrides")
    return Override(name, 0, selection, read_operations([operation], name))


def planned(*overrides: Override, lenient: bool = False) -> Plan:
    return plan_targets(content(), {}, EVERYWHERE, overrides, FLEET, lenient=lenient)


def test_gives_every_chosen_cluster_its_content() -> None:
    plan = planned(override("us", {"op": "image", "tag": "2"}, regions=["us"]))
    digests = [plan.targets[facts.id].digest for facts in FLEET]
    assert digests[0] == digests[1] != digests[2]
    assert plan.targets[FLEET[2].id].overrides == ("us",)


def test_clusters_with_the_same_overrides_share_one_rendering() -> None:
    plan = planned()
    assert plan.targets[FLEET[0].id] is plan.targets[FLEET[1].id]


def test_replica_overrides_leave_the_digest_alone() -> None:
    plan = planned(override("us", {"op": "replicas", "replicas": 4}, regions=["us"]))
    assert len({rendered.digest for rendered in plan.targets.values()}) == 1
    assert plan.targets[FLEET[2].id].replicas == {"apps/Deployment/shop/web": 4}


def test_an_override_for_no_chosen_cluster_is_an_error() -> None:
    with pytest.raises(Refusal, match="asia hits none of the clusters the placement chooses"):
        planned(override("asia", {"op": "image", "tag": "2"}, regions=["asia"]))


def test_going_back_leaves_out_and_notes_what_hits_nothing() -> None:
    plan = planned(
        override("gone", {"op": "image", "container": "x", "tag": "2"}, regions=["us"]),
        override("asia", {"op": "image", "tag": "2"}, regions=["asia"]),
        lenient=True,
    )
    assert len({rendered.digest for rendered in plan.targets.values()}) == 1
    assert [str(note).split()[1].rstrip(":") for note in plan.notes] == ["gone", "asia"]
