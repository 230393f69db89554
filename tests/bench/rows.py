"""What a benchmark yields: rows, as `make bench` prints and writes them."""

import os
import statistics
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One figure. `less_is_better` decides which way the ratio to the peer reads."""

    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    less_is_better: bool = False
    note: str = ""
    load: float = 0.0

    @property
    def ratio(self) -> float | None:
        """How much better than the peer: above 1 is better."""
        if not self.peer_value or not self.value:
            return None
        ratio = self.value / self.peer_value
        return 1 / ratio if self.less_is_better else ratio

    def as_json(self) -> dict[str, Any]:
        """Return the row as bench-results.json has it."""
        row: dict[str, Any] = {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "load": round(self.load, 2),
        }
        if self.peer_value is not None and self.ratio is not None:
            row |= {
                "peer": self.peer,
                "peer_value": round(self.peer_value, 3),
                "ratio": round(self.ratio, 3),
            }
        if self.note:
            row["note"] = self.note
        return row


def median(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def load_average() -> float:
    """Return the machine's load of the last minute; recorded, never a reason to stop."""
    return os.getloadavg()[0]
