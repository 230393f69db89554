from datetime import timedelta

import pytest
from django.utils import timezone

from clusters.models import Cluster
from fleet_portal.common.access import access_of
from mesh import queries
from mesh.models import ClusterMesh, TrafficSample
from mesh.queries.traffic import Cell
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def fresh(orders):
    ClusterMesh.objects.update(sampled_at=NOW)
    return orders


@pytest.fixture
def access(db):
    return access_of(make_user(role="viewer"))


def sample(service, fleet, source, destination, requests=5.0, errors=0.0, **values):
    return TrafficSample.objects.create(
        service=service,
        source=fleet[source],
        destination=fleet[destination] if destination else None,
        requests=requests,
        errors=errors,
        sampled_at=NOW,
        **values,
    )


def cells(matrix):
    return {(cell.source, cell.destination): cell for row in matrix.rows for cell in row.cells}


def test_requests_are_summed_between_regions(fresh, fleet, access):
    buckets = {"10.0": 5, "20.0": 10, "inf": 10}
    sample(fresh, fleet, "eu-1", "us-1", 10, 1, buckets=buckets)
    cell = cells(queries.matrix(access, NOW))["eu", "us"]
    assert (cell.requests, cell.error_percent, cell.p50) == (10, 10, 10)


def test_without_any_request_the_page_says_zero(fresh, access):
    matrix = queries.matrix(access, NOW)
    assert matrix.known
    assert matrix.total == 0
    assert cells(matrix)["eu", "us"] == Cell("eu", "us", True)


def test_old_numbers_are_unknown_not_zero(fresh, fleet, access):
    sample(fresh, fleet, "eu-1", "us-1")
    matrix = queries.matrix(access, NOW + timedelta(seconds=60))
    assert not matrix.known
    assert not cells(matrix)["eu", "us"].known
    assert matrix.rows[0].sampled_at is not None


def test_one_silent_cluster_makes_only_its_own_row_unknown(fresh, fleet, access):
    ClusterMesh.objects.filter(cluster=fleet["eu-1"]).update(sampled_at=None)
    sample(fresh, fleet, "eu-1", "us-1")
    sample(fresh, fleet, "us-1", "us-1")
    found = cells(queries.matrix(access, NOW))
    assert not found["eu", "us"].known
    assert found["us", "us"].requests == 5


def test_unserved_requests_have_a_column_of_their_own(fresh, fleet, access):
    sample(fresh, fleet, "eu-1", None, 3, 3)
    matrix = queries.matrix(access, NOW)
    assert matrix.has_unserved
    assert cells(matrix)["eu", ""].tone == "bad"


def test_a_stranger_is_not_told_which_clusters_are_silent(fresh, fleet, access):
    ClusterMesh.objects.filter(cluster=fleet["eu-1"]).update(sampled_at=None)
    stranger = access_of(make_user(role="viewer", project=make_project("other")))
    silent = [
        [name for row in queries.matrix(viewer, NOW).rows for name in row.silent]
        for viewer in (access, stranger)
    ]
    assert silent == [["eu-1"], []]


def test_a_stranger_sees_no_requests_of_the_service(fresh, fleet):
    sample(fresh, fleet, "eu-1", "us-1")
    stranger = access_of(make_user(role="viewer", project=make_project("other")))
    assert queries.matrix(stranger, NOW).total == 0
    assert not queries.edges_visible_to(stranger).exists()


def test_the_picture_has_an_arc_for_what_leaves(fresh, fleet, access):
    sample(fresh, fleet, "eu-1", "us-1")
    sample(fresh, fleet, "eu-1", "eu-1")
    matrix = queries.matrix(access, NOW)
    assert [(arc.source, arc.destination) for arc, _ in matrix.arcs] == [("eu", "us")]
    assert len(matrix.nodes) == 3


def test_names_in_istio_point_to_clusters(fleet):
    ClusterMesh.objects.filter(cluster=fleet["eu-1"]).update(istio_id="prod-eu")
    ids = queries.istio_ids(list(Cluster.objects.all()))
    assert (ids["prod-eu"], ids["us-1"]) == ("eu-1", "us-1")


@pytest.mark.parametrize(
    ("cell", "tone"),
    [
        (Cell("eu", "eu", False), "away"),
        (Cell("eu", "eu", True), "none"),
        (Cell("eu", "eu", True, 5, 0), "ok"),
        (Cell("eu", "eu", True, 5, 2), "warn"),
        (Cell("eu", "us", True, 5, 0), "warn"),
        (Cell("eu", "us", True, 5, 50), "bad"),
    ],
)
def test_a_cell_has_a_tone(cell, tone):
    assert cell.tone == tone


def test_the_matrix_asks_no_more_for_many_edges(fresh, fleet, access, django_assert_num_queries):
    sample(fresh, fleet, "eu-1", "us-1")
    with django_assert_num_queries(3):
        queries.matrix(access, NOW)
    for destination in ("eu-1", "ap-1"):
        sample(fresh, fleet, "us-1", destination)
    with django_assert_num_queries(3):
        queries.matrix(access, NOW)
