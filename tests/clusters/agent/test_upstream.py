import asyncio
from typing import Any, cast

import pytest

from clusters.agent.upstream import IDLE_MAX, IDLE_SECONDS, Upstream, UpstreamPool

REQUEST = b"GET / HTTP/1.1\r\n\r\n"


class FakeTransport:
    def __init__(self) -> None:
        self.written = b""
        self.reading = True
        self.aborted = False

    def set_write_buffer_limits(self, high: int) -> None:
        assert high

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted


class Sink:
    def __init__(self) -> None:
        self.answers: list[tuple[int, bool, bytes, bool]] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.broken: list[bool] = []
        self.drained = 0

    def on_answer(
        self, status: int, headers: list[tuple[bytes, bytes]] | None, data: bytes, end: bool
    ) -> None:
        self.headers += headers or []
        self.answers.append((status, headers is not None, data, end))

    def on_broken(self, answered: bool) -> None:
        self.broken.append(answered)

    def on_drained(self) -> None:
        self.drained += 1


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.pool = UpstreamPool(cast(Any, None), lambda: self.now)
        self.transport = FakeTransport()
        self.upstream = Upstream(self.pool)
        self.upstream.connection_made(cast(asyncio.Transport, self.transport))
        self.sink = Sink()

    def start(self, *, has_body: bool = False, head_only: bool = False) -> None:
        self.upstream.start(REQUEST, self.sink, has_body=has_body, head_only=head_only)

    def read(self, data: bytes) -> None:
        self.upstream.data_received(data)


@pytest.fixture
def world() -> World:
    return World()


def test_an_answer_that_comes_at_once_is_delivered_at_once(world: World) -> None:
    world.start()
    world.read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    assert world.sink.answers == [(200, True, b"hello", True)]


def test_pieces_are_delivered_as_they_come(world: World) -> None:
    world.start()
    world.read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    world.read(b"3\r\nabc\r\n2\r\nde\r\n")
    world.read(b"0\r\n\r\n")
    assert world.sink.answers == [
        (200, True, b"", False),
        (200, False, b"abcde", False),
        (200, False, b"", True),
    ]


def test_an_answer_without_length_ends_with_its_connection(world: World) -> None:
    world.start()
    world.read(b"HTTP/1.0 200 OK\r\n\r\nhello")
    world.upstream.eof_received()
    assert world.sink.answers[-1] == (200, False, b"", True)
    assert world.sink.broken == []


def test_an_answer_cut_short_is_broken(world: World) -> None:
    world.start()
    world.read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    world.upstream.eof_received()
    world.upstream.connection_lost(None)
    assert world.sink.broken == [True]


def test_a_connection_that_closes_unanswered_says_so(world: World) -> None:
    world.start()
    world.upstream.connection_lost(None)
    assert world.sink.broken == [False]


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body(world: World, status: int) -> None:
    world.start()
    world.read(b"HTTP/1.1 %d X\r\n\r\n" % status)
    assert world.sink.answers == [(status, True, b"", True)]


def test_the_answer_to_head_ends_with_its_head(world: World) -> None:
    world.start(head_only=True)
    world.read(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    assert world.sink.answers == [(200, True, b"", True)]
    world.upstream.release()
    assert world.pool.take() is None


def test_100_continue_is_no_answer(world: World) -> None:
    world.start(has_body=True)
    world.read(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert world.sink.answers == []
    world.read(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
    assert world.sink.answers == [(201, True, b"", True)]


def test_no_http_is_broken(world: World) -> None:
    world.start()
    world.read(b"SSH-2.0-x\r\n")
    assert world.sink.broken == [False]
    assert world.transport.aborted


def test_a_connection_in_order_is_used_again(world: World) -> None:
    for _ in range(2):
        world.start()
        world.read(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        world.upstream.release()
        assert world.pool.take() is world.upstream
    assert len(world.sink.answers) == 2


@pytest.mark.parametrize(
    ("answer", "has_body"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", True),
    ],
    ids=["the server closes", "the request was not sent whole"],
)
def test_a_connection_not_in_order_is_closed(world: World, answer: bytes, has_body: bool) -> None:
    world.start(has_body=has_body)
    world.read(answer)
    world.upstream.release()
    assert world.transport.aborted
    assert world.pool.take() is None


def test_an_idle_connection_that_speaks_is_closed(world: World) -> None:
    world.start()
    world.read(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    world.upstream.release()
    world.read(b"HTTP/1.1 200 OK\r\n\r\n")
    assert world.transport.aborted


def test_a_slow_server_pauses_the_request(world: World) -> None:
    world.start(has_body=True)
    assert world.upstream.write(b"a")
    world.upstream.pause_writing()
    assert not world.upstream.write(b"b")
    world.upstream.resume_writing()
    assert world.sink.drained == 1


def idle(pool: UpstreamPool) -> tuple[Upstream, FakeTransport]:
    upstream, transport = Upstream(pool), FakeTransport()
    upstream.connection_made(cast(asyncio.Transport, transport))
    pool.put(upstream)
    return upstream, transport


def test_what_was_idle_for_long_is_closed(world: World) -> None:
    _, old = idle(world.pool)
    world.now = IDLE_SECONDS + 1
    fresh, _ = idle(world.pool)
    world.pool.sweep()
    assert old.aborted
    assert world.pool.take() is fresh


def test_so_many_are_kept_and_no_more(world: World) -> None:
    kept = [idle(world.pool)[1] for _ in range(IDLE_MAX + 1)]
    assert [transport.aborted for transport in kept[:2]] == [True, False]
    world.pool.close()
    assert all(transport.aborted for transport in kept)


def test_a_connection_that_closed_while_idle_is_not_given_out(world: World) -> None:
    upstream, _ = idle(world.pool)
    upstream.connection_lost(None)
    assert world.pool.take() is None
