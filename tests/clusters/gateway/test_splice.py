import asyncio
from typing import Any, cast

from clusters.gateway.splice import Splice


class FakeTransport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.protocol: Splice | None = None
        self.reading = True
        self.closed = False

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def set_write_buffer_limits(self, high: int) -> None:
        assert high

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closed = True


def joined() -> tuple[FakeTransport, FakeTransport, Splice, Splice]:
    left, right = FakeTransport(), FakeTransport()
    Splice.join(cast(asyncio.Transport, left), cast(asyncio.Transport, right))
    assert left.protocol is not None
    assert right.protocol is not None
    return left, right, left.protocol, right.protocol


def test_bytes_pass_both_ways() -> None:
    left, right, left_side, right_side = joined()
    left_side.data_received(b"question")
    right_side.data_received(b"answer")
    assert (left.written, right.written) == ([b"answer"], [b"question"])


def test_a_side_that_reads_slowly_stops_the_other() -> None:
    left, right, left_side, _ = joined()
    left_side.pause_writing()
    assert (left.reading, right.reading) == (True, False)
    left_side.resume_writing()
    assert right.reading


def test_the_end_of_one_side_is_the_end_of_both() -> None:
    _, right, left_side, right_side = joined()
    assert not left_side.eof_received()
    left_side.connection_lost(None)
    assert right.closed
    right_side.data_received(b"too late")
    right_side.connection_lost(None)
