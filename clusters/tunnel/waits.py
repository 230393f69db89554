"""How long an agent waits before it dials again. Pure: chance and time are arguments.

After a loss the first wait is spread over a window W that the portal names by the size of its
fleet, and each later one is W give or take a tenth: a fleet comes back evenly, where plain
"full jitter" brings half of it back in one second.
"""

from collections.abc import Callable

FIRST_WINDOW_SECONDS = 2.0  # until a WELCOME has told W
LONG_AFTER_SECONDS = 600.0
LONG_WAIT_SECONDS = 60.0
REFUSED_WAIT_SECONDS = 300.0

Uniform = Callable[[float, float], float]


def next_wait(
    failures: int, window_seconds: float, away_seconds: float, refused: bool, uniform: Uniform
) -> float:
    """Return the seconds to wait before the next attempt.

    `failures`: attempts since the loss, 0 right after it. `away_seconds`: time since the loss.
    `refused`: the portal did not accept the credentials. `uniform(a, b)`: chance.
    """
    if refused:
        return uniform(0.9, 1.1) * REFUSED_WAIT_SECONDS
    if failures == 0:
        return uniform(0.0, window_seconds)
    if away_seconds >= LONG_AFTER_SECONDS:
        return uniform(0.9, 1.1) * max(LONG_WAIT_SECONDS, window_seconds)
    return uniform(0.9, 1.1) * window_seconds
