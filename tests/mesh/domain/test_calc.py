"""Loads per priority: the same integers that a real Envoy 1.40 showed within sampling noise."""

import pytest

from mesh.domain.calc import Level, priority_loads, split_by_region
from mesh.domain.envoy import EnvoyCluster, Host, Locality


@pytest.mark.parametrize(
    ("levels", "panic", "expected"),
    [
        ([(10, 10), (10, 10)], 0, [100, 0]),
        ([(25, 18), (4, 4)], 0, [100, 0]),
        ([(7, 5), (4, 4)], 0, [100, 0]),
        ([(10, 7), (4, 4)], 0, [98, 2]),
        ([(10, 5), (10, 10)], 0, [70, 30]),
        ([(4, 1), (4, 4)], 0, [35, 65]),
        ([(4, 0), (4, 4)], 0, [0, 100]),
        ([(10, 5), (10, 5), (4, 4)], 0, [70, 30, 0]),
        ([(10, 2), (10, 2), (10, 1)], 0, [40, 40, 20]),
        ([(3, 1), (3, 1), (3, 1)], 0, [46, 46, 8]),
        ([(7, 1), (7, 1), (7, 1)], 0, [34, 33, 33]),
        ([(10, 2), (10, 2)], 50, [50, 50]),
        ([(10, 0), (10, 2)], 50, [50, 50]),
        ([(10, 0), (10, 2)], 0, [0, 100]),
        ([(10, 1), (10, 5)], 50, [17, 83]),
        ([(6, 0), (2, 0)], 50, [75, 25]),
        ([(6, 0), (2, 0)], 0, [0, 0]),
        ([(10, 3), (1, 1)], 0, [42, 58]),
        ([(4, 2), (4, 4)], 0, [70, 30]),
    ],
)
def test_loads_follow_the_health_of_each_priority(levels, panic, expected):
    assert priority_loads([Level(total, healthy) for total, healthy in levels], panic) == expected


def test_degraded_hosts_take_what_healthy_ones_leave():
    levels = [Level(10, 1, degraded=9), Level(10, 5)]
    assert priority_loads(levels, 0) == [30, 70]


def test_overprovisioning_of_one_hundred_spills_in_proportion():
    levels = [Level(10, 1, degraded=2), Level(10, 2, degraded=1), Level(10, 1)]
    assert priority_loads(levels, 0, overprovisioning=100) == [44, 42, 14]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([Level(4, 1, excluded=3), Level(4, 4)], [100, 0]),
        ([Level(5, 1, excluded=2), Level(4, 4)], [46, 54]),
        ([Level(4, 0, excluded=4), Level(4, 4)], [0, 100]),
    ],
)
def test_draining_hosts_count_for_nothing(levels, expected):
    assert priority_loads(levels, 0) == expected


def test_no_priorities_have_no_loads():
    assert priority_loads([], 50) == []


def place(region, priority, healthy, total, weight=None):
    hosts = tuple(Host(f"10.0.0.{i}", 80, healthy=i < healthy) for i in range(total))
    return Locality(region, "", priority, total if weight is None else weight, hosts)


def cluster(*localities, weighted=True, panic=0):
    return EnvoyCluster(
        "outbound|80||orders", "orders", 80, "LEAST_REQUEST", localities,
        panic_threshold=panic, locality_weighted=weighted,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("localities", "expected"),
    [
        ([place("r1", 0, 5, 5, 80), place("r2", 0, 4, 4, 20)], {"r1": 80, "r2": 20}),
        ([place("r1", 0, 5, 10, 80), place("r2", 0, 4, 4, 20)], {"r1": 73.68, "r2": 26.32}),
        ([place("r1", 0, 1, 5, 80), place("r2", 0, 4, 4, 20)], {"r1": 52.83, "r2": 47.17}),
        ([place("r1", 0, 0, 5, 80), place("r2", 0, 4, 4, 20)], {"r2": 100}),
        (
            [place("r1", 0, 1, 4), place("r2", 1, 4, 4, 75), place("r3", 1, 4, 4, 25)],
            {"r1": 35, "r2": 48.75, "r3": 16.25},
        ),
    ],
)
def test_split_follows_weights_inside_a_priority(localities, expected):
    assert split_by_region(cluster(*localities)) == expected


def test_split_without_locality_weights_counts_hosts():
    split = split_by_region(
        cluster(place("r1", 0, 3, 3, 1), place("r2", 0, 1, 1, 9), weighted=False)
    )
    assert split == {"r1": 75, "r2": 25}


def test_split_is_empty_when_nobody_can_serve():
    assert split_by_region(cluster(place("r1", 0, 0, 3))) == {}
