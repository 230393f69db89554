"""What the gateway counts, and how `/-/gateway/metrics` and the access log print it."""

import os
import sys
from collections import Counter
from typing import BinaryIO

import msgspec

# So few that writing them holds up nobody: five thousand requests a second may come.
LINES_AT_ONCE = 256
FILE_MAX = 64 * 1024 * 1024


class AccessLine(msgspec.Struct, omit_defaults=True):
    """One request to a cluster. Holds no credential, and of the query nothing."""

    at: float
    request_id: str
    remote: str
    method: str
    status: int
    seconds: float
    sent: int
    cluster: str = ""
    path: str = ""
    person: str = ""
    person_id: str = ""
    token_id: str = ""
    verb: str = ""
    resource: str = ""
    note: str = ""


class AccessLog:
    """Appends JSON lines to a file, some at a time; a full file becomes `<name>.1`."""

    def __init__(self, target: str) -> None:
        self._encoder = msgspec.json.Encoder()
        self._lines: list[AccessLine] = []
        self._target = target
        self._file = self._open()

    def add(self, line: AccessLine) -> None:
        """Keep a line until the next `flush`, or until there are many."""
        if self._file is not None:
            self._lines.append(line)
            if len(self._lines) >= LINES_AT_ONCE:
                self.flush()

    def flush(self) -> None:
        """Write what was added; called about each second."""
        if self._file is None or not self._lines:
            return
        self._file.write(self._encoder.encode_lines(self._lines))
        self._file.flush()
        self._lines.clear()
        if self._target != "-" and self._file.tell() > FILE_MAX:
            self._file.close()
            os.replace(self._target, f"{self._target}.1")
            self._file = self._open()

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        if self._file is not None and self._target != "-":
            self._file.close()
        self._file = None

    def _open(self) -> BinaryIO | None:
        if self._target == "-":
            return sys.stdout.buffer
        if not self._target:
            return None
        # People's names and what they did are in it: for this user only.
        descriptor = os.open(self._target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return os.fdopen(descriptor, "ab")


class Counters:
    """Plain numbers, read by the metrics page and the tests."""

    def __init__(self) -> None:
        self.answers = [0] * 10  # by the first digit of the status
        self.resets: Counter[int] = Counter()
        self.connections = 0
        self.refused_connections = 0
        self.streams = 0
        self.buffered_bytes = 0
        self.carriers_opened = 0
        self.carriers_refused = 0
        self.loop_lag_seconds = 0.0

    def metrics(self, carriers: int, clusters: int, link_is_up: bool) -> bytes:
        """Return the counters in Prometheus' text format."""
        lines = [
            _gauge("fleet_gateway_connections", self.connections),
            _gauge("fleet_gateway_streams", self.streams),
            _gauge("fleet_gateway_buffered_bytes", self.buffered_bytes),
            _gauge("fleet_gateway_carriers", carriers),
            _gauge("fleet_gateway_clusters", clusters),
            _gauge("fleet_gateway_link_up", int(link_is_up)),
            _gauge("fleet_gateway_loop_lag_seconds", self.loop_lag_seconds),
            _counter("fleet_gateway_carriers_opened_total", {"": self.carriers_opened}),
            _counter("fleet_gateway_carriers_refused_total", {"": self.carriers_refused}),
            _counter("fleet_gateway_connections_refused_total", {"": self.refused_connections}),
            _counter(
                "fleet_gateway_answers_total",
                {
                    f'{{code="{digit}xx"}}': count
                    for digit, count in enumerate(self.answers)
                    if count
                },
            ),
            _counter(
                "fleet_gateway_resets_total",
                {f'{{code="{code}"}}': count for code, count in sorted(self.resets.items())},
            ),
        ]
        return "".join(lines).encode()


def _gauge(name: str, value: float) -> str:
    return f"# TYPE {name} gauge\n{name} {value}\n"


def _counter(name: str, values: dict[str, int]) -> str:
    rows = "".join(f"{name}{labels} {value}\n" for labels, value in values.items())
    return f"# TYPE {name} counter\n{rows}"
