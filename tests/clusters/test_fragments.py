"""Fragments: the same for a page and a push, nothing for those who may not see."""

from typing import Any

import pytest
from django.utils import timezone

from clusters import actions, fragments
from clusters.fragments import ListKey
from clusters.models import Cluster
from clusters.queries import ClusterFilter
from fleet_portal.common.access import Access, Role
from fleet_portal.common.live.fragments import matches, registry
from tests.clusters.proofs import enroll
from tests.factories import make_cluster, make_node, make_project, make_scope

pytestmark = pytest.mark.django_db

OPERATOR = Access(1, Role.OPERATOR, {})
ALL_EMPTY = ListKey(ClusterFilter()).pack()
OF_ONE = ["row", "head", "join", "facts", "nodes", "events", "scopes", "poolrow"]


def viewer_of(cluster: Cluster) -> Access:
    project = make_project("web")
    make_scope(project, cluster, "shop")
    return Access(2, Role.NONE, {project.pk: Role.VIEWER})


def stranger() -> Access:
    return Access(3, Role.NONE, {make_project("elsewhere").pk: Role.OPERATOR})


def draw(part: str, access: Access, key: Any, oob: bool = False) -> str:
    return registry[f"clusters-{part}"].render(access, str(key), oob)


@pytest.mark.parametrize("part", OF_ONE)
def test_operator_viewer_and_stranger(part: str) -> None:
    cluster = make_cluster("eu-1")
    make_node(cluster)
    for access in (OPERATOR, viewer_of(cluster)):
        assert f'id="clusters-{part}-{cluster.pk}"' in draw(part, access, cluster.pk)
    hidden = draw(part, stranger(), cluster.pk)
    assert "eu-1" not in hidden
    assert "hidden" in hidden


@pytest.mark.parametrize("part", [*OF_ONE, "table", "pooltable", "pool", "summary"])
def test_a_push_swaps_its_own_root_and_holds_no_form(part: str) -> None:
    cluster = make_cluster("eu-1")
    key = ALL_EMPTY if part in ("table", "pooltable") else cluster.pk if part in OF_ONE else ""
    text = draw(part, OPERATOR, key, oob=True)
    root = text.strip().split(">", 1)[0]
    assert 'hx-swap-oob="morph"' in root
    assert text.count("hx-swap-oob") == 1
    for tag in ("<form", "<input", "<textarea", "<select"):
        assert tag not in text


@pytest.mark.parametrize("key", ["", "x", "-1", "999999"])
def test_a_wrong_key_draws_nothing(key: str) -> None:
    assert "hidden" in draw("row", OPERATOR, key)


def test_what_redraws_what() -> None:
    row, table = registry["clusters-row"], registry["clusters-table"]
    assert matches(row.topics("7"), "cluster", ["7"])
    assert not matches(row.topics("7"), "cluster", ["8", "members"])
    assert matches(table.topics(ALL_EMPTY), "cluster", ["8", "members"])
    assert not matches(table.topics(ALL_EMPTY), "cluster", ["8"])


def test_a_list_key_survives_packing() -> None:
    key = ListKey(ClusterFilter(text='"><script>', region="eu", sort="-name"), 3)
    packed = key.pack()
    assert packed.replace("-", "").replace("_", "").isalnum()
    assert ListKey.unpack(packed) == key


def test_the_command_is_shown_to_operators_alone() -> None:
    join = actions.register_cluster(actor="test", name="eu-1")
    pk = join.cluster.pk
    assert join.token in draw("join", OPERATOR, pk)
    assert "fpj_" not in draw("join", viewer_of(join.cluster), pk)


def test_the_join_part_leaves_when_all_is_done() -> None:
    agent = enroll(actions.register_cluster(actor="test", name="eu-1", region="eu"))
    assert "aria-current" in draw("join", OPERATOR, agent.cluster.pk)
    Cluster.objects.update(
        tunnel_state="connected",
        connected_at=timezone.now(),
        last_frame_at=timezone.now(),
        server_version="v1.36.3",
        inventory_at=timezone.now(),
        access_passed=True,
    )
    assert "hidden" in draw("join", OPERATOR, agent.cluster.pk)


def test_a_failed_access_test_shows_the_clusters_words() -> None:
    cluster = make_cluster("eu-1", joined_at=timezone.now(), access_passed=False)
    check = {"what": "list nodes", "ok": False, "message": "nodes is forbidden: <b>"}
    Cluster.objects.update(access_checks=[check])
    text = draw("join", OPERATOR, cluster.pk)
    assert "nodes is forbidden: &lt;b&gt;" in text


def test_away_is_shown_with_its_age() -> None:
    cluster = make_cluster("eu-1")
    since = timezone.now()
    Cluster.objects.update(
        tunnel_state="lost", connected_at=since, last_frame_at=since, away_since=since
    )
    text = draw("row", OPERATOR, cluster.pk)
    assert "Lost" in text
    assert "away since" in text
    assert "data-age" in text


def test_an_unreachable_api_is_told_apart() -> None:
    cluster = make_cluster("eu-1")
    now = timezone.now()
    Cluster.objects.update(
        tunnel_state="connected",
        connected_at=now,
        last_frame_at=now,
        api_reachable=False,
        api_since=now,
        api_message="connection refused",
    )
    text = draw("head", OPERATOR, cluster.pk)
    assert "API unreachable" in text
    assert "connection refused" in text


def test_missing_names_are_told_after_joining() -> None:
    cluster = make_cluster("eu-1", joined_at=timezone.now())
    assert "fleet:person" in draw("facts", OPERATOR, cluster.pk)
    actions.confirm_names(cluster, "test")
    assert "lack names" not in draw("facts", OPERATOR, cluster.pk)


def test_the_summary_links_to_the_filtered_list() -> None:
    make_cluster("eu-1")
    text = draw("summary", OPERATOR, "")
    assert "?state=pending" in text
    assert "?state=lost" not in text


def test_a_row_costs_two_queries(django_assert_max_num_queries: Any) -> None:
    cluster = make_cluster("eu-1")
    with django_assert_max_num_queries(2):
        draw("row", OPERATOR, cluster.pk)


def test_hostile_names_are_escaped_everywhere() -> None:
    cluster = make_cluster("eu-1", labels={"k": "<script>alert(1)</script>"})
    make_node(cluster, name="<img src=x>", zone='"><script>')
    for part in ("facts", "nodes"):
        text = draw(part, OPERATOR, cluster.pk)
        assert "<script>" not in text
        assert "<img" not in text


def test_every_row_of_a_list_is_shown_to_the_socket(rf: Any) -> None:
    request = rf.get("/")
    fragments.show_too(request, "clusters-row", [1, 2])
    assert request._live_fragments == [("clusters-row", "1"), ("clusters-row", "2")]
