import random

import pytest

from clusters.tunnel.waits import next_wait


def middle(low: float, high: float) -> float:
    return (low + high) / 2


@pytest.mark.parametrize(
    ("failures", "window", "away", "refused", "expected"),
    [
        (0, 2.0, 0, False, 1.0),
        (1, 2.0, 5, False, 2.0),
        (9, 14.3, 300, False, 14.3),
        (50, 2.0, 600, False, 60.0),
        (50, 100.0, 600, False, 100.0),
        (0, 2.0, 0, True, 300.0),
    ],
    ids=["first", "then W", "large fleet", "ten minutes", "W beyond a minute", "refused"],
)
def test_waits(failures: int, window: float, away: float, refused: bool, expected: float) -> None:
    assert next_wait(failures, window, away, refused, middle) == pytest.approx(expected)


def test_a_thousand_agents_come_back_without_a_crowd() -> None:
    chance = random.Random(7)  # noqa: S311
    window = 1000 / 70
    arrivals = []
    for _ in range(1000):
        at = next_wait(0, window, 0, False, chance.uniform)
        while at < 10:  # the portal is away for ten seconds
            at += next_wait(1, window, at, False, chance.uniform)
        arrivals.append(at)
    per_second = [sum(second <= at < second + 1 for at in arrivals) for second in range(60)]
    assert max(per_second) <= 100
    assert sorted(arrivals)[990] <= 90
