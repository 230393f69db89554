import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deployments import actions
from deployments.facts import away_since, cluster_facts, is_reachable, override_facts, rollout_facts
from deployments.models import Override
from tests.deployments.factories import (
    make_application,
    make_connected_cluster,
    make_rollout,
    report_well,
    send_away,
)
from tests.factories import make_cluster, make_project

pytestmark = pytest.mark.django_db


def test_a_cluster_shows_what_the_project_may_use() -> None:
    make_connected_cluster("eu-1", labels={"a": "b"})
    make_cluster("eu-2", region=None)
    facts = {found.name: found for found in cluster_facts(make_project("default").pk)}
    assert (facts["eu-1"].region, facts["eu-1"].namespaces) == ("eu", frozenset({"shop"}))
    assert (facts["eu-2"].region, facts["eu-2"].namespaces) == ("", frozenset())


def test_an_agent_that_is_lost_or_without_its_api_can_not_be_reached() -> None:
    there = make_connected_cluster("eu-1")
    blind = make_connected_cluster("eu-2", api_reachable=False)
    gone = make_connected_cluster("eu-3")
    send_away(gone)
    gone.refresh_from_db()
    assert [is_reachable(cluster) for cluster in (there, blind, gone)] == [True, False, False]
    assert away_since(gone) is not None


def test_overrides_are_read_with_their_rank() -> None:
    row = Override(
        name="o",
        priority=3,
        selector={"clusters": ["eu-1"]},
        operations=[{"op": "replicas", "replicas": 1}],
    )
    assert override_facts([row])[0].rank == (1, 3)


def test_a_rollout_is_read_with_what_was_seen() -> None:
    cluster = make_connected_cluster("eu-1")
    rollout = make_rollout(make_application())
    actions.advance_rollout(rollout.pk, timezone.now())
    report_well(cluster)
    target = rollout_facts(rollout).waves[0].targets[0]
    assert (target.cluster, target.state, target.ready) == ("eu-1", "dispatched", 2)
    assert target.observed_digest == target.digest
    assert target.current


def test_facts_cost_the_same_for_few_and_many_clusters() -> None:
    def cost(count: int) -> int:
        for number in range(count):
            make_connected_cluster(f"c{count}-{number}")
        rollout = make_rollout(make_application(f"web-{count}"))
        actions.advance_rollout(rollout.pk, timezone.now())
        with CaptureQueriesContext(connection) as queries:
            rollout_facts(rollout)
        return len(queries)

    assert cost(3) == cost(30)
