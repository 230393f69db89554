"""What the parts of the gateway say to each other about one request."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from clusters.gateway.statuses import REASONS
from clusters.tunnel.frames import Payload

NO_BODY = frozenset({204, 304})


class Request:
    """A request's head, as it was sent."""

    __slots__ = (
        "chunked",
        "early",
        "finished",
        "has_body",
        "headers",
        "host",
        "http11",
        "keep_alive",
        "length",
        "method",
        "target",
        "upgrade",
    )

    def __init__(self) -> None:
        self.method = ""
        self.target = ""
        self.headers: list[tuple[bytes, bytes]] = []
        self.http11 = True
        self.keep_alive = True
        self.upgrade = ""
        self.host = ""
        self.length: int | None = None
        self.chunked = False
        self.has_body = False
        # For a request that came before the one ahead of it was answered.
        self.early: list[bytes] = []
        self.finished = False

    @property
    def head_size(self) -> int:
        """About how many bytes the head had."""
        lines = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return lines + len(self.target)

    def header(self, name: bytes) -> str:
        """Return the first value of a header (lower-case name), or ""."""
        for raw, value in self.headers:
            if raw.lower() == name:
                return value.decode("latin-1")
        return ""


class Exchange(Protocol):
    """A request being served."""

    def body(self, data: bytes) -> None:
        """Take bytes of the request's body."""

    def body_end(self) -> None:
        """The request's body is complete."""

    def gone(self) -> None:
        """The client left, or the connection broke: stop the work."""

    def client_reads_slowly(self) -> None:
        """Nothing more fits now; what comes must not be acknowledged."""

    def client_reads_on(self) -> None:
        """There is room again."""


class Flusher:
    """Writes what a turn of the loop produced at its end, one write for each connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._dirty: list[Callable[[], None]] = []

    def add(self, flush: Callable[[], None]) -> None:
        """Call `flush` at the end of this turn; add it once only."""
        if not self._dirty:
            self._loop.call_soon(self._run)
        self._dirty.append(flush)

    def _run(self) -> None:
        dirty, self._dirty = self._dirty, []
        for flush in dirty:
            flush()


def answer_head(
    request: Request,
    status: int,
    headers: list[tuple[str, str]],
    body: Payload,
    *,
    end: bool,
    close: bool,
) -> tuple[bytes, bool, bool]:
    """Return the head of an answer, whether its body is chunked, and whether to close after it.

    Without a Content-Length among `headers` the body is chunked, or ends with the connection for
    an HTTP/1.0 client. `end`: there is no body beyond `body`. `close`: close whatever follows.
    """
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n"]
    has_length = chunked = False
    for name, value in headers:
        lines.append(f"{name}: {value}\r\n")
        if len(name) == 14 and name.lower() == "content-length":
            has_length = True
    if not has_length and status not in NO_BODY and request.method != "HEAD":
        if end:
            lines.append(f"Content-Length: {len(body)}\r\n")
        elif request.http11:
            chunked = True
            lines.append("Transfer-Encoding: chunked\r\n")
        else:
            close = True
    close = close or not request.keep_alive
    if close:
        lines.append("Connection: close\r\n")
    elif not request.http11:
        lines.append("Connection: keep-alive\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("latin-1"), chunked, close
