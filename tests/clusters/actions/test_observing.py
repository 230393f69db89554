"""Facts of gateways and reports of agents become rows where they change one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from clusters import actions, reports
from clusters.models import Cluster, ClusterEvent, Node, Region
from tests.clusters.conftest import Announced
from tests.factories import make_cluster, make_node

pytestmark = pytest.mark.django_db

START = 1_800_000_000.0


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(START + seconds, tz=UTC)


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster("eu-1", region=None)


def now_of(cluster: Cluster) -> Cluster:
    return Cluster.objects.get(pk=cluster.pk)


def connect(session: str = "s1", seconds: float = 0) -> None:
    actions.record_connected("eu-1", session, agent_version="1", at=START + seconds)


def report(cluster: Cluster, kind: str, **values: Any) -> bool:
    return reports.dispatch(cluster.pk, {"kind": kind, **values}, at(0))


def events() -> list[str]:
    return [event.kind for event in ClusterEvent.objects.order_by("pk")]


# The tunnel.


def test_connected(
    cluster: Cluster, announced: Announced, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        connect()
    row = now_of(cluster)
    assert (row.tunnel_state, row.session, row.connected_at) == ("connected", "s1", at(0))
    assert announced.named() == {str(cluster.pk), "members"}
    assert events() == ["connected"]


def test_a_second_carrier_is_no_event(cluster: Cluster) -> None:
    connect()
    connect("s2", 5)
    assert events() == ["connected"]
    assert now_of(cluster).connected_at == at(0)


def test_closed_is_silent_until_it_is_lost(cluster: Cluster) -> None:
    connect()
    actions.record_closed("eu-1", "s1", code=4000, reason="restart", at=START + 9)
    row = now_of(cluster)
    assert (row.tunnel_state, row.away_since) == ("silent", at(9))
    assert row.close_reason == "restart (4000)"


def test_the_end_of_a_replaced_carrier_says_nothing(cluster: Cluster) -> None:
    connect("s1")
    connect("s2", 5)
    actions.record_closed("eu-1", "s1", at=START + 6)
    assert now_of(cluster).tunnel_state == "connected"


def test_a_renamed_clusters_carrier_is_found_by_its_session(cluster: Cluster) -> None:
    connect()
    actions.rename_cluster(now_of(cluster), "eu-2", "test")
    actions.record_closed("eu-1", "s1", at=START + 6)
    assert now_of(cluster).tunnel_state == "silent"


def test_silent_lost_and_back(cluster: Cluster) -> None:
    connect()
    for state in ("silent", "lost"):
        actions.record_liveness("eu-1", state, START + 1)
        assert now_of(cluster).tunnel_state == state
    assert now_of(cluster).away_since == at(1)
    actions.record_liveness("eu-1", "connected", START + 90)
    assert now_of(cluster).away_since is None
    assert events() == ["connected", "lost", "back"]


@pytest.mark.parametrize("state", ["pending", "", "exploded"])
def test_other_words_are_ignored(cluster: Cluster, state: str) -> None:
    connect()
    actions.record_liveness("eu-1", state, START)
    assert now_of(cluster).tunnel_state == "connected"


def test_an_unknown_cluster_is_ignored() -> None:
    actions.record_connected("nobody", "s1")
    actions.record_closed("nobody", "s1")
    actions.record_liveness("nobody", "lost", START)
    actions.record_carriers([{"cluster": "nobody", "session": "s9", "last_frame_at": START}])


def test_last_seen_is_refreshed_by_the_gateways_list(cluster: Cluster) -> None:
    connect()
    for seconds, kept in ((5, 0), (20, 20)):
        carriers = [{"cluster": "eu-1", "session": "s1", "last_frame_at": START + seconds}]
        actions.record_carriers(carriers)
        assert now_of(cluster).last_frame_at == at(kept)


@pytest.mark.parametrize("word", ["silent", "lost"])
def test_a_held_carrier_that_speaks_is_connected_again(cluster: Cluster, word: str) -> None:
    """A row that was swept while the portal itself was held up: the gateway tells no change."""
    connect()
    Cluster.objects.update(tunnel_state=word, away_since=at(0))
    seen = timezone.now().timestamp()
    actions.record_carriers([{"cluster": "eu-1", "session": "s1", "last_frame_at": seen}])
    row = now_of(cluster)
    assert (row.tunnel_state, row.away_since) == ("connected", None)
    assert row.events.filter(kind="back").exists() is (word == "lost")


def test_a_held_carrier_that_is_silent_stays_away(cluster: Cluster) -> None:
    connect()
    Cluster.objects.update(tunnel_state="silent", away_since=at(0))
    seen = timezone.now().timestamp() - 16
    actions.record_carriers([{"cluster": "eu-1", "session": "s1", "last_frame_at": seen}])
    assert now_of(cluster).tunnel_state == "silent"


def test_many_carriers_are_few_queries(django_assert_max_num_queries: Any) -> None:
    Cluster.objects.bulk_create(
        Cluster(name=f"c-{number}", session=f"s{number}", connected_at=at(0))
        for number in range(300)
    )
    carriers = [{"session": f"s{number}", "last_frame_at": START} for number in range(300)]
    with django_assert_max_num_queries(8):
        actions.record_carriers(carriers)


# The sweep.


@pytest.mark.parametrize(
    ("state", "age", "expected"),
    [
        ("connected", 80, "connected"),
        ("connected", 95, "silent"),
        ("connected", 151, "lost"),
        ("silent", 30, "silent"),
        ("silent", 61, "lost"),
        ("lost", 500, "lost"),
    ],
)
def test_rows_age_when_nobody_speaks(
    cluster: Cluster, state: str, age: float, expected: str
) -> None:
    now = timezone.now()
    seen = now - timedelta(seconds=age)
    Cluster.objects.update(
        tunnel_state=state,
        session="s1",
        connected_at=seen,
        last_frame_at=seen,
        away_since=None if state == "connected" else seen,
    )
    actions.sweep_clusters(now)
    assert now_of(cluster).tunnel_state == expected


def test_the_sweep_announces_and_notes_a_loss(
    cluster: Cluster, announced: Announced, django_capture_on_commit_callbacks: Any
) -> None:
    now = timezone.now()
    seen = now - timedelta(seconds=61)
    Cluster.objects.update(
        tunnel_state="silent", connected_at=seen, last_frame_at=seen, away_since=seen
    )
    with django_capture_on_commit_callbacks(execute=True):
        actions.sweep_clusters(now)
    assert events() == ["lost"]
    assert str(cluster.pk) in announced.named()


# Reports.


def test_an_api_that_goes_and_comes(cluster: Cluster) -> None:
    report(cluster, "api", reachable=True, since=START, server_version="v1.36.3")
    report(cluster, "api", reachable=False, since=START + 5, message="refused")
    row = now_of(cluster)
    assert (row.api_reachable, row.api_since, row.api_message) == (False, at(5), "refused")
    assert row.server_version == "v1.36.3"
    report(cluster, "api", reachable=True, since=START + 9)
    assert events() == ["api unreachable", "api reachable"]


def test_the_same_report_again_changes_nothing(
    cluster: Cluster, announced: Announced, django_capture_on_commit_callbacks: Any
) -> None:
    report(cluster, "api", reachable=True, since=START)
    with django_capture_on_commit_callbacks(execute=True):
        report(cluster, "api", reachable=True, since=START)
    assert announced.messages == []


def node(name: str = "n1", **values: Any) -> dict[str, Any]:
    return {
        "name": name,
        "region": "eu-central",
        "zone": "a",
        "ready": True,
        "cpu_milli": 4000,
        "memory_bytes": 8 << 30,
        "pods": 110,
        "kubelet_version": "v1.36.3",
        **values,
    }


def test_nodes_come_change_and_go(cluster: Cluster) -> None:
    report(cluster, "nodes", nodes=[node("n1"), node("n2")])
    report(cluster, "nodes", nodes=[node("n2", ready=False), node("n3")])
    rows = dict(Node.objects.values_list("name", "ready"))
    assert rows == {"n2": False, "n3": True}


def test_used_amounts_survive_a_change_of_the_node(cluster: Cluster) -> None:
    make_node(cluster, "n1", used_cpu_milli=100)
    report(cluster, "nodes", nodes=[node("n1", ready=False)])
    assert Node.objects.get().used_cpu_milli == 100


def test_the_region_is_found_on_most_nodes(cluster: Cluster) -> None:
    nodes = [node("n1"), node("n2", region="other"), node("n3")]
    report(cluster, "nodes", nodes=nodes)
    row = now_of(cluster)
    assert row.region is not None
    assert row.region.name == "eu-central"
    assert "region found" in events()


def test_a_named_region_is_kept() -> None:
    cluster = make_cluster("us-1", region="us")
    report(cluster, "nodes", nodes=[node()])
    row = now_of(cluster)
    assert row.region is not None
    assert row.region.name == "us"


@pytest.mark.parametrize("region", ["", "Bad Region!", "x" * 60, "<script>"])
def test_a_region_that_cannot_be_is_left_open(cluster: Cluster, region: str) -> None:
    report(cluster, "nodes", nodes=[node(region=region)])
    assert now_of(cluster).region is None
    assert not Region.objects.exists()


def test_usage_is_written_by_node(cluster: Cluster) -> None:
    make_node(cluster, "n1")
    make_node(cluster, "n2", used_cpu_milli=500)
    usage = {"n1": {"cpu_milli": 300, "memory_bytes": 5, "pods": 2}}
    report(cluster, "usage", nodes=usage, pods_running=7, pods_pending=1, at=START)
    used = dict(Node.objects.values_list("name", "used_cpu_milli"))
    assert used == {"n1": 300, "n2": 0}
    assert (now_of(cluster).pods_running, now_of(cluster).pods_pending) == (7, 1)


def test_the_access_test_is_kept_as_told(cluster: Cluster) -> None:
    checks = [{"what": "list nodes", "ok": False, "message": "forbidden"}]
    report(cluster, "access", mode="manage", passed=False, checks=checks)
    row = now_of(cluster)
    assert (row.access_passed, row.access_checks, row.access_tested_at) == (False, checks, at(0))
    assert events() == ["access failed"]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("api", {}),
        ("nodes", {"nodes": None}),
        ("nodes", {"nodes": [{"no": "name"}]}),
        ("nodes", {"nodes": ["word"]}),
        ("nodes", {"nodes": [{"name": "n", "cpu_milli": "many"}]}),
        ("usage", {"nodes": 5}),
        ("usage", {"nodes": {}, "pods_running": [1]}),
        ("access", {"passed": True, "checks": ["word"]}),
        ("weather", {}),
    ],
)
def test_a_malformed_report_is_dropped(cluster: Cluster, kind: str, values: Any) -> None:
    assert report(cluster, kind, **values) is False
    assert not Node.objects.exists()


def test_hostile_amounts_are_bounded(cluster: Cluster) -> None:
    report(cluster, "nodes", nodes=[node("n" * 400, cpu_milli=10**40, pods=-5, zone="z" * 500)])
    row = Node.objects.get()
    assert (len(row.name), row.cpu_milli, row.pods, len(row.zone)) == (253, 2**62, 0, 63)


def test_reports_for_a_removed_cluster_are_dropped(cluster: Cluster) -> None:
    pk = cluster.pk
    cluster.delete()
    for kind, values in (
        ("api", {"reachable": True}),
        ("nodes", {"nodes": []}),
        ("usage", {"nodes": {}}),
        ("access", {"passed": True}),
    ):
        assert reports.dispatch(pk, {"kind": kind, **values}, at(0))
