"""The public port: one TLS connection of a client, read by a C parser and kept within limits.

A `Front` reads request heads (64 KiB, 10 s), hands each request to the part of the gateway that
its path names, and writes the answer. Requests of one connection are served one after another;
reading pauses while a request is being answered and the client sends ahead. What a part receives
is an `Exchange`: it gets the body, and is told when the client goes away or reads slowly.
"""

import asyncio
import os
import socket
import struct
from collections import deque
from typing import Any, Protocol, cast

import httptools

from clusters.gateway.exchange import NO_BODY, Exchange, Flusher, Request, answer_head
from clusters.gateway.statuses import Refusal, status_body
from clusters.tunnel.frames import Payload

HEAD_MAX = 64 * 1024
HEAD_SECONDS = 10.0
IDLE_SECONDS = 90.0
# How much of a refused request's body is read away before the connection is closed instead.
DISCARD_MAX = 1024 * 1024
DISCARD_SECONDS = 5.0
WRITE_HIGH = 256 * 1024

_LINGER_RESET = struct.pack("ii", 1, 0)


class Hub(Protocol):
    """What a connection needs of the gateway around it."""

    flusher: Flusher

    def connected(self, front: "Front") -> bool:
        """Count a connection; False when its address has too many."""

    def disconnected(self, front: "Front") -> None:
        """Forget a connection."""

    def route(self, front: "Front", request: Request) -> Exchange | None:
        """Begin to serve; None when the request is already answered."""

    def next_request_id(self) -> str:
        """Return a new id."""

    def now(self) -> float:
        """Return the loop's time."""

    def wall(self) -> float:
        """Return the time of day, as seconds since the epoch."""


class Front(asyncio.Protocol):
    """One client connection."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.transport: asyncio.Transport | None = None
        self.remote = ""
        self.deadline = 0.0
        self.reads_slowly = False
        self.handed_over = False
        # Of whoever serves requests here: what it worked out from the last head.
        self.memory: Any = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._incoming: Request | None = None
        self._head_bytes = 0
        self._chunk_bytes = 0
        self._fresh_bytes = 0  # of this read, when it began with a new head
        self._head_done = True
        self._discarding: Request | None = None
        self._discarded = 0
        self._waiting: deque[Request] = deque()
        self._request: Request | None = None  # being answered
        self._exchange: Exchange | None = None
        self._paused_for: set[str] = set()
        self._out: list[Payload] = []
        self._chunked_answer = False
        self._head_sent = False
        self._close_after = False

    # Connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection unless its address has too many."""
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.remote = str(peer[0]) if peer else ""
        self.deadline = self.hub.now() + HEAD_SECONDS
        if not self.hub.connected(self):
            self.abort()
            return
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever serves the open request that nobody listens any more."""
        self.transport = None
        self.hub.disconnected(self)
        self._out.clear()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.gone()

    def eof_received(self) -> bool:
        """Close: a TLS client that half-closes cannot be answered anyway."""
        return False

    @property
    def _transport(self) -> asyncio.Transport:
        if self.transport is None:
            raise ConnectionResetError("the client has left")
        return self.transport

    def abort(self) -> None:
        """Reset the TCP connection, so that no client takes a cut answer for a whole one."""
        if self.transport is None:
            return
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            try:
                with socket.socket(fileno=os.dup(sock.fileno())) as same:
                    same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            except OSError:
                pass  # closed under our hands: then there is nothing to reset
        self.transport.abort()

    def hand_over(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Give the connection to another protocol (a carrier, a splice)."""
        self._flush()
        transport = self._transport
        self.handed_over = True
        self._exchange = None
        transport.set_protocol(protocol)
        return transport

    def pause_reading(self, reason: str) -> None:
        """Stop reading the client until every reason is gone."""
        if not self._paused_for and self.transport is not None:
            self.transport.pause_reading()
        self._paused_for.add(reason)

    def resume_reading(self, reason: str) -> None:
        """Drop one reason not to read."""
        if reason in self._paused_for:
            self._paused_for.discard(reason)
            if not self._paused_for and self.transport is not None:
                self.transport.resume_reading()

    def pause_writing(self) -> None:
        """Called by the transport when the client reads too slowly."""
        self.reads_slowly = True
        if self._exchange is not None:
            self._exchange.client_reads_slowly()

    def resume_writing(self) -> None:
        """Called by the transport when there is room again."""
        self.reads_slowly = False
        if self._exchange is not None:
            self._exchange.client_reads_on()

    # Reading

    def data_received(self, data: bytes) -> None:
        """Parse; whatever is no plain HTTP/1 is answered 400 and cut."""
        if self._close_after and self._request is None:
            return
        if not self._head_done:
            self._head_bytes += len(data)
        self._chunk_bytes = len(data)
        self._fresh_bytes = len(data) if self._incoming is None else 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing after this head is HTTP of ours: whoever took it over has the connection.
            self._close_after = True
        except httptools.HttpParserError:
            self.refuse_connection(Refusal(400, "BadRequest", "this is not valid HTTP/1.1"))
            return
        if not self._head_done and self._head_bytes > HEAD_MAX:
            self._too_large()

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._incoming = Request()
        self._head_done = False
        self._head_bytes, self._fresh_bytes = self._fresh_bytes, 0
        if self._request is None:
            self.deadline = self.hub.now() + HEAD_SECONDS

    def on_url(self, url: bytes) -> None:
        """Called by the parser, with a piece of the target."""
        if self._incoming is not None:
            self._incoming.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if self._incoming is not None:
            self._incoming.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Called by the parser: the head is whole."""
        request = self._incoming
        if request is None:
            return
        self._head_done = True
        parser = self._parser
        request.method = parser.get_method().decode("latin-1")
        version = parser.get_http_version()
        request.http11 = version == "1.1"
        request.keep_alive = parser.should_keep_alive()
        whole = self._read_framing(request, parser.should_upgrade())
        if not whole or version not in ("1.0", "1.1") or not request.target.startswith("/"):
            self.refuse_connection(
                Refusal(400, "BadRequest", "send HTTP/1.1 with one Host header and a path")
            )
        elif self._head_bytes + self._chunk_bytes > HEAD_MAX and request.head_size > HEAD_MAX:
            self._too_large()
        elif self._request is None:
            self._begin(request)
        else:
            self._waiting.append(request)
            self.pause_reading("pipeline")

    def on_body(self, data: bytes) -> None:
        """Called by the parser, with a piece of the body."""
        request = self._incoming
        if request is None or request is self._discarding:
            self._discard(len(data))
        elif request is not self._request:
            request.early.append(data)
        elif self._exchange is not None:
            self._exchange.body(data)

    def on_message_complete(self) -> None:
        """Called by the parser: the body is whole."""
        request, self._incoming = self._incoming, None
        if request is None:
            return
        request.finished = True
        if request is self._discarding:
            self._discarding = None
            self._go_on()
        elif request is self._request and self._exchange is not None and request.has_body:
            self._exchange.body_end()

    def _read_framing(self, request: Request, upgrades: bool) -> bool:
        hosts = 0
        for raw, value in request.headers:
            size = len(raw)
            if size == 4 and raw.lower() == b"host":
                hosts += 1
                request.host = value.decode("latin-1")
            elif size == 14 and raw.lower() == b"content-length":
                request.length = int(value)
            elif size == 17 and raw.lower() == b"transfer-encoding":
                request.chunked = True
            elif upgrades and size == 7 and raw.lower() == b"upgrade":
                request.upgrade = value.decode("latin-1").lower()
        request.has_body = request.chunked or bool(request.length)
        return hosts == 1 or (hosts == 0 and not request.http11)

    def _too_large(self) -> None:
        self.refuse_connection(
            Refusal(431, "RequestEntityTooLarge", "the request's head is longer than 64 KiB")
        )

    # Serving

    def _begin(self, request: Request) -> None:
        self._request = request
        self._head_sent = False
        self.deadline = 0.0
        self._exchange = self.hub.route(self, request)
        if self._exchange is not None and self.reads_slowly:
            self._exchange.client_reads_slowly()

    def expire(self, now: float) -> None:
        """Called about each second: end what took too long."""
        if not self.deadline or now < self.deadline or self.handed_over:
            return
        if self._incoming is not None and not self._head_done:
            self.refuse_connection(Refusal(408, "Timeout", "the request's head did not arrive"))
        elif self.transport is not None:
            self.transport.close()

    def refuse_connection(self, refusal: Refusal, request_id: str = "") -> None:
        """Answer with a refusal and close: what follows on this connection means nothing."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.gone()
        if self._request is not None and self._head_sent:
            self.abort()
            return
        self._request = self._request or Request()
        self._close_after = True
        self.refuse(refusal, request_id or self.hub.next_request_id())

    def refuse(self, refusal: Refusal, request_id: str) -> None:
        """Answer the open request with a metav1.Status."""
        body = status_body(refusal, request_id)
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-cache, private"),
            ("Audit-Id", request_id),
            *refusal.headers,
        ]
        self.send_head(refusal.status, headers, body)
        self.finish()

    # Writing

    def send_continue(self) -> None:
        """Tell a client that waits for it that its body is welcome."""
        self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def close_after_answer(self) -> None:
        """Let the answer being given be this connection's last."""
        self._close_after = True

    def send_head(
        self, status: int, headers: list[tuple[str, str]], body: Payload = b"", end: bool = False
    ) -> None:
        """Write the head of the answer and the first bytes of its body.

        `end`: there is no body beyond `body`; then `finish` follows.
        """
        request = self._request
        if request is None:
            return
        head, self._chunked_answer, self._close_after = answer_head(
            request, status, headers, body, end=end, close=self._close_after
        )
        self._head_sent = True
        self._write(head)
        if body and status not in NO_BODY and request.method != "HEAD":
            self.send_body(body)

    def send_body(self, data: Payload) -> None:
        """Write bytes of the answer's body."""
        if not data:
            return
        if self._chunked_answer:
            self._write(b"%x\r\n" % len(data))
            self._out.append(data)
            self._out.append(b"\r\n")
        else:
            self._write(data)

    def finish(self) -> None:
        """The answer is complete; the next request of this connection may begin."""
        if self._chunked_answer:
            self._write(b"0\r\n\r\n")
            self._chunked_answer = False
        request, self._request = self._request, None
        self._exchange = None
        if request is None or self.transport is None:
            return
        if self._close_after:
            self.hub.flusher.add(self._flush_and_close)
        elif request.has_body and not request.finished:
            # A client that is still sending reads the answer only after its last byte.
            self._discarding = request
            self._discarded = 0
            self.deadline = self.hub.now() + DISCARD_SECONDS
            self.resume_reading("body")
        else:
            self._go_on()

    def _discard(self, count: int) -> None:
        self._discarded += count
        if self._discarded > DISCARD_MAX and self.transport is not None:
            self._close_after = True
            self.transport.close()

    def _go_on(self) -> None:
        if self.transport is None:
            return
        self.resume_reading("body")
        self.deadline = self.hub.now() + (IDLE_SECONDS if self._head_done else HEAD_SECONDS)
        if self._waiting:
            self.hub.flusher.add(self._begin_waiting)
        else:
            self.resume_reading("pipeline")

    def _begin_waiting(self) -> None:
        if not self._waiting or self._request is not None or self.transport is None:
            return
        request = self._waiting.popleft()
        self._begin(request)
        self._feed_early(request)
        if not self._waiting:
            self.resume_reading("pipeline")

    def _feed_early(self, request: Request) -> None:
        early, request.early = request.early, []
        for data in early:
            if self._request is request and self._exchange is not None:
                self._exchange.body(data)
        whole = request.finished and request.has_body and self._request is request
        if whole and self._exchange is not None:
            self._exchange.body_end()

    def _write(self, data: Payload) -> None:
        if not self._out:
            self.hub.flusher.add(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self.transport is not None:
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))

    def _flush_and_close(self) -> None:
        self._flush()
        if self.transport is not None:
            self.transport.close()
