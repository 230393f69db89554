import math

import pytest

from mesh.domain.traffic import (
    UNSERVED,
    EdgeKey,
    Measured,
    Rates,
    between,
    evidence_for,
    quantile,
    read_edges,
    scalar,
)

IDS = {"eu-1": "eu-1", "us-1": "us-1"}
STUB = "orders.shop.fleet.local"


def sample(value, code="200", destination="us-1", source="eu-1", host=STUB, **labels):
    metric = {
        "source_cluster": source,
        "destination_cluster": destination,
        "destination_service": host,
        "response_code": code,
        **labels,
    }
    return {"metric": metric, "value": [1000.0, str(value)]}


def edge(destination, source="eu-1"):
    return EdgeKey(source, destination, "shop", "orders")


def test_codes_of_one_edge_are_summed_and_errors_told_apart():
    edges = read_edges("eu-1", [sample(9), sample(1, "503"), sample(2, "404")], [], IDS)
    assert (edges[edge("us-1")].requests, edges[edge("us-1")].errors) == (12, 1)


@pytest.mark.parametrize("destination", ["unknown", "", "elsewhere"])
def test_a_failed_request_without_upstream_is_unserved(destination):
    edges = read_edges("eu-1", [sample(3, "503", destination)], [], IDS)
    assert edges[edge(UNSERVED)].errors == 3


def test_a_good_answer_of_an_untold_cluster_counts_as_the_callers_own():
    edges = read_edges("eu-1", [sample(3, "200", "unknown")], [], IDS)
    assert edges[edge("eu-1")].requests == 3


def test_requests_without_any_answer_are_errors():
    assert read_edges("eu-1", [sample(1, "0")], [], IDS)[edge("us-1")].errors == 1


def test_other_hosts_and_other_clusters_samples_are_left_out():
    others = [sample(1, host="x.example.com"), sample(1, source="us-1")]
    assert read_edges("eu-1", others, [], IDS) == {}


def test_istios_default_cluster_id_means_the_cluster_that_was_asked():
    assert edge("us-1") in read_edges("eu-1", [sample(1, source="Kubernetes")], [], IDS)


def test_not_a_number_is_no_traffic():
    assert read_edges("eu-1", [sample("NaN")], [], IDS) == {}


def test_buckets_join_their_edge():
    buckets = [sample(5, le="10"), sample(9, le="+Inf")]
    edges = read_edges("eu-1", [sample(9)], buckets, IDS)
    assert edges[edge("us-1")].buckets == {10.0: 5, math.inf: 9}


@pytest.mark.parametrize(
    ("vector", "expected"),
    [([], None), ([{"metric": {}, "value": [1, "NaN"]}], None), ([sample(2.5)], 2.5)],
)
def test_a_scalar_is_the_one_value(vector, expected):
    assert scalar(vector) == expected


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ({10.0: 5, 20.0: 10, math.inf: 10}, 0.5, 10),
        ({10.0: 5, 20.0: 10, math.inf: 10}, 0.75, 15),
        ({10.0: 5, math.inf: 10}, 0.95, 10),
        ({math.inf: 10}, 0.95, 0),
        ({10.0: 0, math.inf: 0}, 0.95, None),
        ({}, 0.95, None),
    ],
)
def test_quantiles_are_linear_inside_a_bucket(buckets, share, expected):
    assert quantile(buckets, share) == expected


REGIONS = {"eu-1": "eu", "eu-2": "eu", "us-1": "us"}


def test_clusters_of_one_region_are_summed():
    edges = [
        Measured("eu-1", "us-1", Rates(1, 0, {10.0: 1})),
        Measured("eu-2", "us-1", Rates(2, 1, {10.0: 1})),
        Measured("eu-1", UNSERVED, Rates(3, 3)),
        Measured("nowhere", "us-1", Rates(9)),
        Measured("eu-1", "nowhere", Rates(9)),
    ]
    assert between(edges, REGIONS) == {
        ("eu", "us"): Rates(3, 1, {10.0: 2}),
        ("eu", UNSERVED): Rates(3, 3),
    }


def test_evidence_tells_errors_of_the_region_and_where_its_own_requests_went():
    flows = {
        ("eu", "eu"): Rates(2, 1),
        ("eu", "us"): Rates(6),
        ("eu", UNSERVED): Rates(2, 2),
        ("us", "eu"): Rates(2, 1),
    }
    evidence = evidence_for("eu", flows, 1.0, 3, 4)
    assert (evidence.errors, evidence.elsewhere, evidence.unserved) == (0.5, 0.6, 0.2)
    assert (evidence.ready, evidence.total, evidence.age_seconds) == (3, 4, 1.0)


def test_too_few_requests_tell_nothing():
    evidence = evidence_for("eu", {("eu", "us"): Rates(0.5)}, 1.0, None, None)
    assert (evidence.errors, evidence.elsewhere, evidence.unserved) == (None, None, None)
