import asyncio

import pytest

from clusters.gateway.exchange import Flusher, Request, answer_head


def request(method: str = "GET", *, http11: bool = True, keep_alive: bool = True) -> Request:
    made = Request()
    made.method, made.http11, made.keep_alive = method, http11, keep_alive
    return made


@pytest.mark.parametrize(
    ("asked", "status", "headers", "end", "expected"),
    [
        (request(), 200, [("Content-Length", "5")], False, (b"Content-Length: 5", False, False)),
        (request(), 200, [], False, (b"Transfer-Encoding: chunked", True, False)),
        (request(), 200, [], True, (b"Content-Length: 2", False, False)),
        # Without a length only the end of the connection tells where a body ends.
        (request(http11=False), 200, [], False, (b"Connection: close", False, True)),
        (request(http11=False), 200, [], True, (b"Connection: keep-alive", False, False)),
        (request(keep_alive=False), 200, [], True, (b"Connection: close", False, True)),
        (request("HEAD"), 200, [], True, (b"HTTP/1.1 200 OK", False, False)),
        (request(), 204, [], True, (b"HTTP/1.1 204 No Content", False, False)),
        (request(), 299, [], True, (b"HTTP/1.1 299 Status", False, False)),
    ],
)
def test_answers_are_framed(
    asked: Request,
    status: int,
    headers: list[tuple[str, str]],
    end: bool,
    expected: tuple[bytes, bool, bool],
) -> None:
    head, chunked, close = answer_head(asked, status, headers, b"ab", end=end, close=False)
    line, *framing = expected
    assert line in head.split(b"\r\n")
    assert [chunked, close] == framing


def test_bodiless_answers_say_nothing_of_a_body() -> None:
    head, _, _ = answer_head(request(), 304, [], b"", end=True, close=False)
    assert head == b"HTTP/1.1 304 Not Modified\r\n\r\n"


async def test_a_turn_of_the_loop_is_flushed_once() -> None:
    flusher = Flusher(asyncio.get_running_loop())
    flushed: list[int] = []
    for number in range(3):
        flusher.add(lambda number=number: flushed.append(number))  # type: ignore[misc]
    assert flushed == []
    await asyncio.sleep(0)
    assert flushed == [0, 1, 2]
