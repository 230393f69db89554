"""HTTP/1.1 towards a server we trust to speak it: the API server, or the portal's web role.

One `Upstream` is one connection and carries one exchange at a time; a pool keeps idle ones. Reads
are parsed in C and delivered once per read of the socket, so a watch event travels at once and
the last bytes of a body come together with its end.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

import httptools

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 50.0  # below the 60 s after which many servers and balancers forget a connection
IDLE_MAX = 256
WRITE_HIGH = 256 * 1024

_BODILESS = frozenset({204, 304})


class Sink(Protocol):
    """Who gets the answer."""

    def on_answer(
        self, status: int, headers: list[tuple[bytes, bytes]] | None, data: bytes, end: bool
    ) -> None:
        """One read's worth: `headers` are given once, first; `data` may be empty."""

    def on_broken(self, answered: bool) -> None:
        """The connection broke before the end. `answered`: some of the answer had come."""

    def on_drained(self) -> None:
        """The server takes more of the request again."""


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, pool: "UpstreamPool") -> None:
        self._pool = pool
        self.transport: asyncio.Transport | None = None
        self.used = False
        self.idle_since = 0.0
        self.writing_paused = False
        self.trailing = b""  # what came behind the head of a 101
        self._parser: Any = httptools.HttpResponseParser(self)
        self._sink: Sink | None = None
        self._head_only = False
        self._reset_answer()
        self._request_done = False
        self._answered = False

    def _reset_answer(self) -> None:
        self._incoming: list[tuple[bytes, bytes]] = []
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._status = 0
        self._body: list[bytes] = []
        self._complete = False
        self._informational = False
        self._until_eof = False
        self._keep_alive = False

    # The request

    def start(self, head: bytes, sink: Sink, *, has_body: bool, head_only: bool) -> None:
        """Send a request's head. `head_only`: the answer to HEAD has no body."""
        self._sink = sink
        self._head_only = head_only
        self._reset_answer()
        self._answered = False
        self._request_done = not has_body
        if self.transport is None:
            sink.on_broken(False)
            return
        self.transport.write(head)

    def write(self, data: bytes | memoryview) -> bool:
        """Send bytes of the body as they stand on the wire; False asks to pause."""
        if self.transport is not None:
            self.transport.write(data)
        return not self.writing_paused

    def request_done(self) -> None:
        """The request is whole."""
        self._request_done = True

    def release(self) -> None:
        """The exchange is over: keep the connection if it is in order, else close it."""
        self._sink = None
        transport = self.transport
        if transport is None:
            return
        in_order = (
            self._complete
            and self._request_done
            and not self._head_only
            and self._keep_alive
            and not self._until_eof
        )
        if in_order:
            transport.resume_reading()
            self.used = True
            self._pool.put(self)
        else:
            transport.abort()

    def abort(self) -> None:
        """Drop the connection: nobody wants the rest of the answer."""
        self._sink = None
        if self.transport is not None:
            self.transport.abort()

    def pause_reading(self) -> None:
        """Stop reading the answer."""
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading the answer."""
        if self.transport is not None:
            self.transport.resume_reading()

    # The transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the sink unless it has all it wants."""
        self.transport = None
        self._pool.forget(self)
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.on_broken(self._answered)

    def eof_received(self) -> bool:
        """The end of the connection is the end of a body that has no length."""
        sink = self._sink
        if sink is not None and self._until_eof and self._answered and not self._complete:
            self._sink = None
            sink.on_answer(self._status, None, b"", True)
        return False

    def pause_writing(self) -> None:
        """The server reads slowly."""
        self.writing_paused = True

    def resume_writing(self) -> None:
        """The server reads on."""
        self.writing_paused = False
        if self._sink is not None:
            self._sink.on_drained()

    def data_received(self, data: bytes) -> None:
        """Parse and deliver."""
        sink = self._sink
        if sink is None:
            # An idle connection that speaks, or bytes after the answer's end.
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._complete = True
            self.trailing = data[upgrade.args[0] :]
        except httptools.HttpParserError:
            self._sink = None
            if self.transport is not None:
                self.transport.abort()
            sink.on_broken(self._answered)
            return
        headers, self._headers = self._headers, None
        body, self._body = self._body, []
        if headers is not None or body or self._complete:
            self._answered = True
            content = body[0] if len(body) == 1 else b"".join(body)
            sink.on_answer(self._status, headers, content, self._complete)

    # The parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._incoming.append((name, value))

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        status = self._parser.get_status_code()
        headers, self._incoming = self._incoming, []
        if 100 <= status < 200 and status != 101:
            self._informational = True
            return
        self._informational = False
        self._status = status
        self._headers = headers
        # Asked now: once the message is complete the parser no longer knows.
        self._keep_alive = self._parser.should_keep_alive()
        if self._head_only:
            self._complete = True
        elif status not in _BODILESS and status != 101:
            names = {name.lower() for name, _ in headers}
            self._until_eof = b"content-length" not in names and b"transfer-encoding" not in names

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if not self._informational:
            self._complete = True


class UpstreamPool:
    """Idle connections to one server. `connect` opens one more."""

    def __init__(
        self,
        connect: Callable[[Callable[[], Upstream]], Awaitable[Any]],
        now: Callable[[], float],
    ) -> None:
        self._connect = connect
        self._now = now
        self._idle: deque[Upstream] = deque()

    def take(self) -> Upstream | None:
        """Return the idle connection used last, if there is one."""
        while self._idle:
            upstream = self._idle.pop()
            if upstream.transport is not None and not upstream.transport.is_closing():
                return upstream
        return None

    async def connect(self) -> Upstream:
        """Open a connection. Raises OSError when the server cannot be reached in time."""
        async with asyncio.timeout(CONNECT_SECONDS):
            _, upstream = await self._connect(lambda: Upstream(self))
        return cast(Upstream, upstream)

    def put(self, upstream: Upstream) -> None:
        """Keep a connection for later."""
        upstream.idle_since = self._now()
        self._idle.append(upstream)
        if len(self._idle) > IDLE_MAX:
            self._idle.popleft().abort()

    def forget(self, upstream: Upstream) -> None:
        """Drop a connection that closed."""
        if upstream in self._idle:
            self._idle.remove(upstream)

    def sweep(self) -> None:
        """Close what has been idle for long; called about each second."""
        limit = self._now() - IDLE_SECONDS
        while self._idle and self._idle[0].idle_since < limit:
            self._idle.popleft().abort()

    def close(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.pop().abort()
