"""Something was done many times: the row that says how long it took."""

import math
from collections.abc import Sequence

from tests.bench.rows import Row, median


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` % of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def p99_row(name: str, seconds: list[float], note: str, load: float) -> Row:
    """Return the row of a P99; the note tells the P50 and of how many it is."""
    spread = f"P50 {median(seconds):.2f} s, slowest {max(seconds):.2f} s, {len(seconds)} times"
    return Row(name, percentile(seconds, 99), "s", note=f"{spread}; {note}", load=load)
