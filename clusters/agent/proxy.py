"""Requests from the tunnel to the API server: streamed as they are, under the verified name.

Each stream of the carrier is one HTTP/1.1 exchange on a connection of its own or from the pool;
a watch keeps its connection to itself. The data credential goes on every request together with
the Impersonate-* lines of the assertion, never one without the other: the credential can do
nothing but impersonate, and a request without a name is never built.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Protocol
from urllib.parse import urlsplit

from clusters.agent.assertions import Assertion
from clusters.agent.kube import AgentKube, AgentKubeError
from clusters.agent.upstream import Upstream, UpstreamPool
from clusters.tunnel.events import Stream
from clusters.tunnel.frames import OpenHead, Payload, ResetCode, ResponseHead
from clusters.tunnel.requests import (
    REQUEST_HEADERS,
    RequestRefused,
    check_dry_run_only,
    check_method,
    check_target,
    response_headers,
)

log = logging.getLogger(__name__)

TOKEN_CHECK_SECONDS = 20.0

_UNSENT = frozenset({"content-length", "sec-websocket-key", "sec-websocket-version"})


class StreamSide(Protocol):
    """What an exchange needs of the carrier it came by."""

    def send_head(self, stream: Stream, head: ResponseHead, end: bool) -> None:
        """Send the response's head."""

    def send_data(self, stream: Stream, data: Payload, end: bool) -> bool:
        """Send bytes of the response; False asks to pause."""

    def consumed(self, stream: Stream, count: int) -> None:
        """Give credit back."""

    def reset(self, stream: Stream, code: int, reason: str = "") -> None:
        """Cut the stream."""


def check_request(head: OpenHead, assertion: Assertion, has_body: bool) -> None:
    """Raise RequestRefused for what this agent does not pass on, whoever signed it."""
    if assertion.to != "api":
        raise RequestRefused(403, "Forbidden", "the assertion is not for the API server")
    check_method(head.method)
    check_target(head.target)
    for name, value in head.headers:
        if name not in REQUEST_HEADERS or not value.isprintable() or not value.isascii():
            raise RequestRefused(400, "BadRequest", f"the header {name[:80]!r} may not pass")
    if assertion.dry_run_only:
        check_dry_run_only(head.method, head.target, has_body)


def request_head(
    head: OpenHead, assertion: Assertion, token: str, host: str, prefix: str, has_body: bool
) -> bytes:
    """Return the head as the API server gets it.

    Written here and nowhere else: Host, Authorization, Impersonate-*, Audit-ID and the framing.
    """
    lines = [f"{head.method} {prefix}{head.target} HTTP/1.1\r\nHost: {host}\r\n"]
    length = ""
    for name, value in head.headers:
        if name == "content-length":
            length = value
        elif name not in _UNSENT:
            lines.append(f"{name}: {value}\r\n")
    if length.isdigit():
        lines.append(f"Content-Length: {length}\r\n")
    elif has_body:
        lines.append("Transfer-Encoding: chunked\r\n")
    lines.append(f"Audit-ID: {head.request_id}\r\nAuthorization: Bearer {token}\r\n")
    return "".join(lines).encode("latin-1") + assertion.header_block + b"\r\n"


class Proxy:
    """The way to one API server."""

    def __init__(self, kube: AgentKube, now: Callable[[], float]) -> None:
        self._kube = kube
        self.now = now
        parts = urlsplit(kube.server.url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = without_certificate(kube.server.tls)
        self.host_header = parts.netloc
        self.prefix = parts.path.rstrip("/")
        self.pool = UpstreamPool(self._connect, now)
        self.open: set[ApiExchange] = set()
        self._token = ""
        self._token_until = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(
        self, side: StreamSide, stream: Stream, head: OpenHead, assertion: Assertion, end: bool
    ) -> None:
        """Pass a request on. Raises RequestRefused before anything was sent."""
        check_request(head, assertion, not end)
        exchange = ApiExchange(self, side, stream, head, assertion, end)
        stream.owner = exchange
        self.open.add(exchange)
        upstream = self.pool.take() if exchange.may_reuse else None
        if upstream is not None and self.now() < self._token_until:
            exchange.begin(upstream, self._token)
        else:
            self.spawn(exchange.connect(upstream))

    async def token(self) -> str:
        """Return the data credential. Raises AgentKubeError."""
        if self.now() >= self._token_until:
            self._token = await self._kube.data_token()
            self._token_until = self.now() + TOKEN_CHECK_SECONDS
        return self._token

    def token_refused(self) -> None:
        """The API server answered 401: the next request asks for a new credential."""
        if self.now() < self._token_until:
            self._kube.forget_data_token(self._token)
            self._token_until = 0.0

    def sweep(self) -> None:
        """Let time pass; called about each second."""
        now = self.now()
        for exchange in [e for e in self.open if e.deadline and now > e.deadline]:
            exchange.fail(ResetCode.UPSTREAM_TIMEOUT, "")
        self.pool.sweep()

    def close(self) -> None:
        """Cut every exchange."""
        for exchange in list(self.open):
            exchange.on_carrier_lost()
        self.pool.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine whose end nobody waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, factory: Callable[[], Upstream]) -> object:
        return await asyncio.get_running_loop().create_connection(
            factory, self._host, self._port, ssl=self._tls
        )


def without_certificate(tls: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """Return the same trust without the agent's own client certificate.

    An API server looks at the certificate first: with it, every proxied request would run as the
    agent and the token beside it would count for nothing.
    """
    if tls is None:
        return None
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.verify_flags = tls.verify_flags
    bare.minimum_version = tls.minimum_version
    bare.set_alpn_protocols(["http/1.1"])
    if authorities := tls.get_ca_certs(binary_form=True):
        bare.load_verify_locations(cadata=b"".join(authorities))
    else:
        bare.load_default_certs()
    return bare


class ApiExchange:
    """One stream on its way to the API server and back."""

    __slots__ = (
        "_assertion",
        "_body_ended",
        "_chunked",
        "_connection",
        "_early",
        "_end",
        "_head",
        "_owed",
        "_proxy",
        "_retried",
        "_side",
        "_stream",
        "deadline",
        "done",
    )

    def __init__(
        self,
        proxy: Proxy,
        side: StreamSide,
        stream: Stream,
        head: OpenHead,
        assertion: Assertion,
        end: bool,
    ) -> None:
        self._proxy = proxy
        self._side = side
        self._stream = stream
        self._head = head
        self._assertion = assertion
        self._end = end
        self._body_ended = end
        self._chunked = not end and not any(n == "content-length" for n, _ in head.headers)
        self._connection: Upstream | None = None
        self._early: list[Payload] = []
        self._owed = 0
        self._retried = False
        self.deadline = proxy.now() + head.head_seconds if head.head_seconds else 0.0
        self.done = False

    @property
    def may_reuse(self) -> bool:
        """Whether an idle connection will do: if it turns out closed, nothing is done twice."""
        return self._end and self._head.method in ("GET", "HEAD", "OPTIONS")

    async def connect(self, upstream: Upstream | None = None) -> None:
        """Get what is missing, a connection or the credential, and begin."""
        try:
            token = await self._proxy.token()
            if upstream is None or upstream.transport is None:
                upstream = await self._proxy.pool.connect()
        except (OSError, AgentKubeError) as error:
            self.fail(ResetCode.UPSTREAM_CONNECT, _short(error))
            return
        if self.done:
            self._proxy.pool.put(upstream)
        else:
            self.begin(upstream, token)

    def begin(self, upstream: Upstream, token: str) -> None:
        """Send the request."""
        proxy, head = self._proxy, self._head
        data = request_head(
            head, self._assertion, token, proxy.host_header, proxy.prefix, not self._end
        )
        self._connection = upstream
        upstream.start(data, self, has_body=not self._end, head_only=head.method == "HEAD")
        early, self._early = self._early, []
        for piece in early:
            self._write(piece)
        if self._body_ended and not self._end:
            self._finish_request()

    # What the carrier tells

    def on_data(self, data: Payload, end: bool) -> None:
        """Bytes of the request's body."""
        if end:
            self._body_ended = True
        if self.done:
            self._side.consumed(self._stream, len(data))
        elif self._connection is None:
            self._early.append(data)
        else:
            self._write(data)
            if end:
                self._finish_request()

    def on_writable(self) -> None:
        """The carrier takes more of the answer."""
        if self._connection is not None:
            self._connection.resume_reading()

    def on_reset(self, code: int, reason: str) -> None:
        """Nobody wants the answer any more."""
        self._settle()
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def on_carrier_lost(self) -> None:
        """The carrier broke: so does the request."""
        self.on_reset(ResetCode.CANCEL, "")

    # What the API server tells

    def on_answer(
        self, status: int, headers: list[tuple[bytes, bytes]] | None, data: bytes, end: bool
    ) -> None:
        """One read's worth of the answer."""
        if headers is not None:
            self.deadline = 0.0
            if status == 401:
                self._proxy.token_refused()
            head = ResponseHead(status, response_headers(headers))
            self._side.send_head(self._stream, head, end and not data)
            if end and not data:
                self._complete()
                return
        more = self._side.send_data(self._stream, data, end)
        if end:
            self._complete()
        elif not more and self._connection is not None:
            self._connection.pause_reading()

    def on_broken(self, answered: bool) -> None:
        """The connection ended too early; an old idle one is tried once more, anew."""
        connection, self._connection = self._connection, None
        if self.done:
            return
        stale = connection is not None and connection.used and not answered
        if stale and self.may_reuse and not self._retried:
            self._retried = True
            self._proxy.spawn(self.connect())
        else:
            self.fail(ResetCode.UPSTREAM_EOF, "")

    def on_drained(self) -> None:
        """The API server takes more: what it took may be acknowledged."""
        owed, self._owed = self._owed, 0
        if owed:
            self._side.consumed(self._stream, owed)

    def fail(self, code: ResetCode, reason: str) -> None:
        """Give up and say why."""
        if self.done:
            return
        self._settle()
        self._side.reset(self._stream, code, reason)
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    # Inside

    def _write(self, data: Payload) -> None:
        connection = self._connection
        if connection is None or not data:
            return
        framed: Payload = data
        if self._chunked:
            framed = b"".join((b"%x\r\n" % len(data), data, b"\r\n"))
        if connection.write(framed):
            self._side.consumed(self._stream, len(data))
        else:
            self._owed += len(data)

    def _finish_request(self) -> None:
        if self._connection is not None:
            if self._chunked:
                self._connection.write(b"0\r\n\r\n")
            self._connection.request_done()

    def _complete(self) -> None:
        self._settle()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    def _settle(self) -> None:
        self.done = True
        self.deadline = 0.0
        self._early.clear()
        self._proxy.open.discard(self)


def _short(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[:200]
