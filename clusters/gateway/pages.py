"""Everything else: pages, REST and live sockets, passed to the web role over its Unix socket.

The web server takes whole bodies into memory before an application may refuse them, so a request
is passed on only once its body is here (8 MiB in 15 s at most; beyond 256 KiB it waits in a
file). X-Forwarded-For, -Proto and -Host are written here and nowhere else.
"""

import asyncio
import html
import tempfile
from typing import IO

from clusters.agent.upstream import Upstream, UpstreamPool
from clusters.gateway.exchange import Request
from clusters.gateway.server import Front
from clusters.gateway.splice import Splice
from clusters.tunnel.requests import response_headers

BODY_MAX = 8 * 1024 * 1024
BODY_SECONDS = 15.0
BODY_IN_MEMORY = 256 * 1024
PIECE = 64 * 1024
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_ONE_HOP = frozenset(
    {
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",
        b"forwarded",
        b"host",
    }
)
_PROTECTED = (b"x-forwarded-", b"x-real-ip", b"impersonate-", b"x-remote-")

SENTENCES = {
    400: "The request could not be read.",
    404: "There is nothing at this address.",
    405: "This address does not take such a request.",
    408: "The request did not arrive in time. Try again on a better connection.",
    413: "What you sent is larger than 8 MiB. Send less at once.",
    502: "The portal is starting or restarting. Try again in a moment.",
    503: "The portal is starting or restarting. Try again in a moment.",
}


def refuse_page(front: Front, request: Request, status: int) -> None:
    """Answer with a small page, or with JSON for a program."""
    sentence = SENTENCES[status]
    if "text/html" in request.header(b"accept"):
        kind = "text/html; charset=utf-8"
        body = f"<!doctype html><title>{status}</title><p>{html.escape(sentence)}</p>\n"
    else:
        kind = "application/json"
        body = f'{{"error": "{sentence}"}}\n'
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if status in (502, 503):
        headers.append(("Retry-After", "2"))
    front.send_head(status, headers, body.encode())
    front.finish()


def forwarded_head(request: Request, remote: str, length: int | None, upgrade: bool) -> bytes:
    """Return the head that the web role gets.

    Dropped: headers of one hop, every X-Forwarded-* that a client wrote, and names with `_`,
    which the web server could not tell from names with `-`.
    """
    lines = [f"{request.method} {request.target} HTTP/1.1".encode("latin-1")]
    for name, value in request.headers:
        lower = name.lower()
        if lower not in _ONE_HOP and b"_" not in lower and not lower.startswith(_PROTECTED):
            lines.append(name + b": " + value)
    host = request.host.encode("latin-1")
    lines += [
        b"Host: " + host,
        b"X-Forwarded-For: " + remote.encode("latin-1"),
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: " + host,
    ]
    if upgrade:
        lines += [b"Connection: Upgrade", b"Upgrade: websocket"]
    if length is not None:
        lines.append(b"Content-Length: %d" % length)
    return b"\r\n".join(lines) + b"\r\n\r\n"


class PageExchange:
    """One request on its way to the web role and its answer on the way back."""

    def __init__(self, pool: UpstreamPool, front: Front, request: Request) -> None:
        self._pool = pool
        self._front = front
        self._request = request
        self._spool: IO[bytes] | None = None
        self._spooled = 0
        self._upstream: Upstream | None = None
        self._task: asyncio.Task[None] | None = None
        self._retried = False
        self._head_sent = False
        self._done = False
        self.deadline = 0.0

    @property
    def _is_socket(self) -> bool:
        request = self._request
        return request.upgrade == "websocket" and request.target.startswith("/ws/")

    def start(self) -> "PageExchange | None":
        """Begin to take the body, or to pass the request on when it has none."""
        request = self._request
        if request.method not in METHODS or not request.target.startswith("/"):
            self._refuse(405 if request.target.startswith("/") else 400)
        elif (request.length or 0) > BODY_MAX:
            self._refuse(413)
        elif request.has_body:
            self.deadline = self._front.hub.now() + BODY_SECONDS
            # Spooled: held in memory up to a size, then in an unnamed file.
            self._spool = tempfile.SpooledTemporaryFile(BODY_IN_MEMORY)  # noqa: SIM115
            if request.header(b"expect").lower() == "100-continue":
                self._front.send_continue()
        else:
            self._pass_on()
        return None if self._done else self

    # The client's side

    def body(self, data: bytes) -> None:
        """Keep bytes of the body."""
        self._spooled += len(data)
        if self._spooled > BODY_MAX:
            self._refuse(413)
        elif self._spool is not None:
            self._spool.write(data)

    def body_end(self) -> None:
        """The body is whole: pass it on."""
        if not self._done:
            self.deadline = 0.0
            self._pass_on()

    def gone(self) -> None:
        """The client left."""
        self._settle()
        if self._upstream is not None:
            self._upstream.abort()

    def client_reads_slowly(self) -> None:
        """Stop reading the answer."""
        if self._upstream is not None:
            self._upstream.pause_reading()

    def client_reads_on(self) -> None:
        """Go on reading the answer."""
        if self._upstream is not None:
            self._upstream.resume_reading()

    def expire(self, now: float) -> None:
        """Called about each second: a body must not dawdle."""
        if self.deadline and now >= self.deadline and not self._done:
            self._front.close_after_answer()
            self._refuse(408)

    # The web role's side

    def _pass_on(self) -> None:
        # What carries a body is never sent on a connection that may just be closing.
        alone = self._is_socket or self._request.has_body
        upstream = None if alone else self._pool.take()
        if upstream is not None:
            self._send(upstream)
        else:
            self._task = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            upstream = await self._pool.connect()
        except (OSError, TimeoutError):
            self._refuse(502)
            return
        if self._done:
            upstream.abort()
        else:
            self._send(upstream)

    def _send(self, upstream: Upstream) -> None:
        self._upstream = upstream
        request = self._request
        length = self._spooled if request.has_body else None
        head = forwarded_head(request, self._front.remote, length, self._is_socket)
        has_body = self._spool is not None
        upstream.start(head, self, has_body=has_body, head_only=request.method == "HEAD")
        if self._spool is not None:
            self._spool.seek(0)
            self.on_drained()

    def on_drained(self) -> None:
        """Send the body piece by piece, as fast as the web role takes it."""
        upstream = self._upstream
        if self._spool is None or upstream is None:
            return
        while piece := self._spool.read(PIECE):
            if not upstream.write(piece):
                return
        upstream.request_done()
        self._spool.close()
        self._spool = None

    def on_answer(
        self, status: int, headers: list[tuple[bytes, bytes]] | None, data: bytes, end: bool
    ) -> None:
        """Pass the answer on to the client."""
        front = self._front
        if headers is not None:
            if status == 101:
                self._switch(headers, data)
                return
            if self._is_socket:
                front.close_after_answer()
            self._head_sent = True
            front.send_head(status, page_headers(headers), data, end=end)
        else:
            front.send_body(data)
        if end:
            upstream, self._upstream = self._upstream, None
            self._settle()
            front.finish()
            if upstream is not None:
                upstream.release()
        elif front.reads_slowly and self._upstream is not None:
            self._upstream.pause_reading()

    def on_broken(self, answered: bool) -> None:
        """The web role's connection broke: once more if it was an old one, else 502 or a cut."""
        upstream, self._upstream = self._upstream, None
        if self._done:
            return
        stale = upstream is not None and upstream.used and not self._retried
        if stale and not answered:
            self._retried = True
            self._task = asyncio.create_task(self._connect())
        elif self._head_sent:
            self._settle()
            self._front.abort()
        else:
            self._refuse(502)

    def _switch(self, headers: list[tuple[bytes, bytes]], data: bytes) -> None:
        upstream, self._upstream = self._upstream, None
        self._settle()
        if upstream is None or upstream.transport is None or not self._is_socket:
            self._front.abort()
            return
        lines = [b"HTTP/1.1 101 Switching Protocols"]
        lines += [name + b": " + value for name, value in headers]
        web, upstream.transport = upstream.transport, None
        client = self._front.hand_over(Splice())
        client.write(b"\r\n".join(lines) + b"\r\n\r\n" + data + upstream.trailing)
        Splice.join(client, web)

    def _refuse(self, status: int) -> None:
        if self._done:
            return
        self._settle()
        if self._upstream is not None:
            self._upstream.abort()
        refuse_page(self._front, self._request, status)

    def _settle(self) -> None:
        self._done = True
        self.deadline = 0.0
        if self._spool is not None:
            self._spool.close()
            self._spool = None


def page_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return the web role's headers without those of one hop; cookies are its own to set."""
    kept = [(name, value) for name, value in headers if name.lower() != b"set-cookie"]
    cookies = [(name, value) for name, value in headers if name.lower() == b"set-cookie"]
    return response_headers(kept) + [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in cookies
    ]
