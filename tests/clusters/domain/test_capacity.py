from clusters.domain.capacity import NOTHING, Capacity, add_up, add_up_by

SMALL = Capacity(1, 1, 4000, 100, 10, 1000, 40, 3)
FULL = Capacity(1, 0, 1000, 100, 10, 2000, 140, 13)


def test_sums() -> None:
    assert add_up([SMALL, SMALL]) == Capacity(2, 2, 8000, 200, 20, 2000, 80, 6)
    assert add_up([]) == NOTHING


def test_free_is_what_is_not_used() -> None:
    assert (SMALL.free_cpu_milli, SMALL.free_memory_bytes, SMALL.free_pods) == (3000, 60, 7)


def test_overbooked_is_not_free() -> None:
    assert (FULL.free_cpu_milli, FULL.free_memory_bytes, FULL.free_pods) == (0, 0, 0)


def test_sums_by_key_keep_their_order() -> None:
    parts = [("us", SMALL), ("eu", SMALL), ("us", FULL)]
    sums = add_up_by(parts, lambda part: part[0], lambda part: part[1])
    assert list(sums) == ["us", "eu"]
    assert sums["us"] == SMALL + FULL
