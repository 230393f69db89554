"""What each viewer sees, and sums that do not cost a query a row."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from clusters import queries
from clusters.models import Cluster, Node
from clusters.queries import ClusterFilter
from fleet_portal.common.access import Access, Role, access_of
from fleet_portal.common.errors import NotVisible
from tests.factories import (
    make_binding,
    make_cluster,
    make_node,
    make_project,
    make_scope,
    make_team,
    make_user,
)

pytestmark = pytest.mark.django_db

EVERYWHERE = Access(None, Role.VIEWER, {})
NOW = timezone.now()


def connected(cluster: Cluster, **values: Any) -> None:
    Cluster.objects.filter(pk=cluster.pk).update(
        **{
            "tunnel_state": "connected",
            "connected_at": NOW,
            "last_frame_at": timezone.now(),
            **values,
        }
    )


def test_three_people_and_two_clusters() -> None:
    project = make_project("web")
    make_scope(project, make_cluster("eu-1"), "shop")
    make_cluster("us-1")
    operator = make_user(role="operator")
    viewer = make_user(role="viewer", project=project)
    stranger = make_user(role="operator", project=make_project("other"))
    seen = [
        [cluster.name for cluster in queries.clusters_visible_to(access_of(person))]
        for person in (operator, viewer, stranger, None)
    ]
    assert seen == [["eu-1", "us-1"], ["eu-1"], [], []]


def test_a_cluster_of_two_projects_is_seen_once() -> None:
    cluster = make_cluster("eu-1")
    first, second = make_project("a"), make_project("b")
    make_scope(first, cluster)
    make_scope(second, cluster)
    access = Access(1, Role.NONE, {first.pk: Role.VIEWER, second.pk: Role.OPERATOR})
    assert queries.clusters_visible_to(access).count() == 1


@pytest.mark.parametrize("name", ["eu-1", "absent"])
def test_hidden_and_absent_are_the_same(name: str) -> None:
    make_cluster("eu-1")
    with pytest.raises(NotVisible):
        queries.cluster_visible_to(Access(1, Role.NONE, {}), name)


def test_filters_and_sorts() -> None:
    connected(make_cluster("a", region="eu", mode="use"))
    connected(make_cluster("b", region="us"), api_reachable=False)
    make_cluster("c", region="us")

    def names(**values: str) -> list[str]:
        rows = queries.clusters_matching(EVERYWHERE, ClusterFilter(**values))
        return [cluster.name for cluster in rows]

    assert names(region="us") == ["b", "c"]
    assert names(text="EU") == ["a"]
    assert names(mode="use") == ["a"]
    assert names(state="connected") == ["a"]
    assert names(state="api-unreachable") == ["b"]
    assert names(state="pending") == ["c"]
    assert names(state="nonsense") == []
    assert names(sort="-name") == ["c", "b", "a"]
    assert names(sort="password") == ["a", "b", "c"]


def test_states_are_counted_by_one_query(django_assert_num_queries: Any) -> None:
    connected(make_cluster("a"))
    connected(make_cluster("b"), api_reachable=False)
    make_cluster("c")
    with django_assert_num_queries(1):
        counts = queries.count_by_state(EVERYWHERE)
    assert counts == {"pending": 1, "connected": 1, "api-unreachable": 1, "silent": 0, "lost": 0}


def test_totals_are_one_query_for_many(django_assert_num_queries: Any) -> None:
    made = [make_cluster(f"c{number}") for number in range(30)]
    Node.objects.bulk_create(
        Node(cluster=cluster, name=name, ready=True, cpu_milli=1000)
        for cluster in made
        for name in ("n1", "n2")
    )
    with django_assert_num_queries(1):
        rows = queries.rows_of(made, NOW)
    assert {row.capacity.cpu_milli for row in rows} == {2000}


def test_a_node_that_is_not_ready_offers_nothing() -> None:
    cluster = make_cluster("a")
    make_node(cluster, cpu_milli=4000)
    make_node(cluster, cpu_milli=4000, used_cpu_milli=500, ready=False)
    total = queries.totals_of([cluster.pk])[cluster.pk]
    assert (total.nodes, total.nodes_ready, total.cpu_milli) == (2, 1, 4000)
    assert total.used_cpu_milli == 0


def test_the_pool_by_region_cluster_and_zone(django_assert_num_queries: Any) -> None:
    eu, us, away = make_cluster("eu-1"), make_cluster("us-1", region="us"), make_cluster("eu-2")
    connected(eu)
    connected(us)
    connected(away, tunnel_state="lost", last_frame_at=NOW - timedelta(hours=1))
    make_node(eu, zone="b", cpu_milli=1000)
    make_node(eu, zone="a", cpu_milli=2000)
    make_node(us, zone="", cpu_milli=4000)
    make_node(away, zone="a", cpu_milli=9000)
    with django_assert_num_queries(2):
        pool = queries.pool(EVERYWHERE)
    assert pool.capacity.cpu_milli == 7000
    assert pool.away == 1
    assert [
        (part.name, part.capacity.cpu_milli, part.clusters, part.away) for part in pool.regions
    ] == [("eu", 3000, 2, 1), ("us", 4000, 1, 0)]


def test_a_cluster_of_the_pool_by_zone(django_assert_num_queries: Any) -> None:
    cluster = make_cluster("eu-1")
    make_node(cluster, zone="b", cpu_milli=1000)
    make_node(cluster, zone="a", cpu_milli=2000)
    empty = make_cluster("eu-2")
    with django_assert_num_queries(1):
        rows = queries.pool_rows([cluster, empty], NOW)
    assert [(zone, part.cpu_milli) for zone, part in rows[0].zones] == [("a", 2000), ("b", 1000)]
    assert rows[0].capacity.cpu_milli == 3000


def test_the_pool_of_one_region_and_of_what_is_seen() -> None:
    project = make_project("web")
    cluster = make_cluster("eu-1")
    make_scope(project, cluster)
    make_cluster("us-1", region="us")
    viewer = Access(1, Role.NONE, {project.pk: Role.VIEWER})
    assert [part.name for part in queries.pool(viewer).regions] == ["eu"]
    assert [part.name for part in queries.pool(EVERYWHERE, "us").regions] == ["us"]


def test_regions_follow_the_clusters() -> None:
    project = make_project("web")
    make_scope(project, make_cluster("eu-1"))
    make_cluster("us-1", region="us")
    viewer = Access(1, Role.NONE, {project.pk: Role.VIEWER})
    assert [region.name for region in queries.regions_visible_to(viewer)] == ["eu"]
    assert queries.regions_visible_to(EVERYWHERE).count() == 2


def test_who_may_reach_a_cluster() -> None:
    project = make_project("web")
    cluster = make_cluster("eu-1")
    make_scope(project, cluster)
    viewer = Access(1, Role.NONE, {project.pk: Role.VIEWER})
    assert queries.may_reach(viewer, cluster, Role.VIEWER)
    assert not queries.may_reach(viewer, cluster, Role.OPERATOR)
    assert not queries.may_reach(viewer, make_cluster("us-1"), Role.VIEWER)
    assert queries.may_reach(EVERYWHERE, cluster, Role.VIEWER)


def test_names_that_are_missing_in_the_cluster() -> None:
    cluster = make_cluster("eu-1", mode="manage", listed_names={"users": ["fleet:person"]})
    make_scope(make_project("web"), cluster)
    make_binding(team=make_team("ops"), role="viewer")
    missing = queries.names_missing(cluster)
    assert missing.users == ("fleet:controller:observer", "fleet:project:web")
    assert "fleet:team:ops" in missing.groups


def test_a_token_is_open_until_used_or_late() -> None:
    from clusters import actions

    join = actions.register_cluster(actor="test", name="a")
    assert queries.open_join_token(join.cluster, timezone.now()) is not None
    late = timezone.now() + timedelta(hours=1)
    assert queries.open_join_token(join.cluster, late) is None


def test_scopes_are_limited_to_the_viewers_projects() -> None:
    cluster = make_cluster("a")
    own, other = make_project("own"), make_project("theirs")
    make_scope(own, cluster, "x")
    make_scope(other, cluster, "y")
    viewer = Access(1, Role.NONE, {own.pk: Role.VIEWER})
    assert [scope.project for scope in queries.scopes_of(cluster, viewer)] == [own]
    assert queries.namespaces_of(cluster) == ["x", "y"]


def test_the_steps_of_a_new_cluster() -> None:
    from clusters import actions

    join = actions.register_cluster(actor="test", name="a")
    steps = queries.join_progress(join.cluster, timezone.now())
    assert [step.status for step in steps] == ["now", "later", "later", "later", "later"]


def test_a_tunnel_is_up_while_only_the_api_server_is_away() -> None:
    cluster = make_cluster("eu-1")
    connected(cluster, api_reachable=False)
    cluster.refresh_from_db()
    steps = {step.key: step.status for step in queries.join_progress(cluster, timezone.now())}
    assert steps["tunnel"] == "done"
