from typing import Any

from fleet_portal.demo.traffic.counters import Edge, History, Sample, read_sample

HOST = "orders.shop.fleet.local"
ZONES = {"eu-1-a": "eu-1", "us-1-a": "us-1"}
NAME = f"cluster.outbound|80||{HOST}"
SERVED = Edge("eu-1", "us-1", HOST, "200", "-")


def counter(name: str, value: int) -> dict[str, Any]:
    return {"name": f"{NAME}.{name}", "value": value}


def read(*entries: dict[str, Any]) -> Sample:
    return read_sample({"stats": list(entries)}, "eu-1", ZONES, 100.0)


def test_a_zone_tells_the_cluster() -> None:
    assert read(counter("zone.eu-1-a.us-1-a.upstream_rq_200", 7)).requests == {SERVED: 7.0}


def test_zones_of_one_cluster_are_added_up() -> None:
    sample = read_sample(
        {"stats": [counter("zone.x.us-1-a.upstream_rq_200", 1),
                   counter("zone.x.us-1-b.upstream_rq_200", 2)]},
        "eu-1", {**ZONES, "us-1-b": "us-1"}, 100.0,
    )  # fmt: skip
    assert sample.requests == {SERVED: 3.0}


def test_what_nobody_could_take_has_a_flag_and_no_destination() -> None:
    sample = read(counter("upstream_cx_none_healthy", 4))
    assert sample.requests == {Edge("eu-1", "unknown", HOST, "503", "UH"): 4.0}


def test_other_counters_are_left_out() -> None:
    assert (
        read(counter("upstream_rq_200", 4), counter("zone.a.b.upstream_rq_2xx", 4)).requests == {}
    )


def test_buckets_are_cumulative_milliseconds() -> None:
    buckets = [{"upper_bound": 5, "cumulative": 1}, {"upper_bound": 3600000, "cumulative": 3}]
    histogram = {"name": f"{NAME}.zone.eu-1-a.us-1-a.upstream_rq_time", "buckets": buckets}
    sample = read({"histograms": [histogram]})
    assert {edge.bound: count for edge, count in sample.buckets.items()} == {
        "5": 1.0,
        "3.6e+06": 3.0,
    }


def test_labels_are_those_of_the_query() -> None:
    assert set(SERVED.labels()) == {
        "source_cluster", "destination_cluster", "destination_service", "response_code",
        "response_flags",
    }  # fmt: skip
    assert "le" in Edge("a", "b", HOST, bound="5").labels()


def history(*values: float) -> History:
    made = History()
    for second, value in enumerate(values):
        made.add(Sample(float(second), {SERVED: value}))
    return made


def test_a_rate_is_the_growth_per_second_inside_the_window() -> None:
    assert history(0, 10, 20, 40).rates("requests", 2.5, 3.0) == {SERVED: 15.0}


def test_traffic_that_stopped_is_zero() -> None:
    assert history(0, 10, 10, 10, 10).rates("requests", 3.5, 4.0) == {SERVED: 0.0}


def test_a_counter_that_fell_has_begun_anew() -> None:
    assert history(100, 110, 5).rates("requests", 10, 2.0) == {SERVED: 7.5}


def test_one_sample_is_no_rate() -> None:
    assert history(0).rates("requests", 10, 0.0) == {}
