"""The agent's end of one carrier: a WebSocket that it opened, and the streams on it.

The `websockets` library does proxies, the handshake and the closing; once the carrier is up,
binary messages go straight between the socket and the session (see `tunnel/wire.py`). A request
is verified first; then it goes to the API server or to the agent's own endpoints.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Coroutine
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.http11 import USER_AGENT
from websockets.protocol import OPEN
from websockets.speedups import apply_mask
from websockets.typing import Subprotocol

from clusters.agent.assertions import Assertion, AssertionInvalid, Verifier
from clusters.agent.config import AgentConfig
from clusters.agent.endpoints import Router, check_caller
from clusters.agent.local import LocalExchange
from clusters.agent.portal_tls import check_pins, context_for
from clusters.agent.proxy import Proxy
from clusters.tunnel.events import (
    DataReceived,
    Event,
    GoAway,
    Lost,
    Opened,
    ResetReceived,
    Silent,
    Stream,
    Updated,
    WelcomeReceived,
    Writable,
)
from clusters.tunnel.frames import (
    MESSAGE_MAX,
    SUBPROTOCOL,
    CloseCode,
    Hello,
    OpenHead,
    Payload,
    ResetCode,
    ResponseHead,
    TunnelError,
    Update,
    Welcome,
)
from clusters.tunnel.requests import RequestRefused
from clusters.tunnel.session import Role, Session
from clusters.tunnel.wire import Control, MessageReader, pack_masked

log = logging.getLogger(__name__)
_library_log = logging.getLogger("clusters.agent.websocket")
_library_log.setLevel(logging.WARNING)

OPEN_SECONDS = 10.0
WELCOME_SECONDS = 20.0
WRITE_HIGH = 512 * 1024
TAKE_BYTES = 256 * 1024  # what is written at once stays in the processor's cache
# What is dead for half a minute is dialled anew; the portal keeps its own count of silence.
GIVE_UP_SECONDS = 30.0


class PinnedConnection(ClientConnection):
    """The library's connection with the pins checked first, and messages read in bulk."""

    pins: frozenset[bytes] = frozenset()
    carrier: "Carrier | None" = None

    async def handshake(
        self, additional_headers: Any = None, user_agent_header: str | None = USER_AGENT
    ) -> None:
        """Check the server's key before the first byte, which carries our proof, is sent."""
        check_pins(self.transport, self.pins)
        await super().handshake(additional_headers, user_agent_header)

    def data_received(self, data: bytes) -> None:
        """Give what is read to the carrier once it has begun."""
        if self.carrier is None:
            super().data_received(data)
        else:
            self.carrier.received(data)

    def library_received(self, data: bytes) -> None:
        """Give a control frame to the library."""
        super().data_received(data)

    def pause_writing(self) -> None:
        """Frames wait in the session from here on."""
        super().pause_writing()

    def resume_writing(self) -> None:
        """Frames flow again."""
        super().resume_writing()
        if self.carrier is not None:
            self.carrier.flush_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the carrier."""
        super().connection_lost(exc)
        if self.carrier is not None:
            self.carrier.lost()


class _Connect(connect):
    """The library's connect without redirects: another address is another server."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Carrier:
    """One carrier, from HELLO to its end."""

    def __init__(self, ws: PinnedConnection, proxy: Proxy, router: Router, verifier: Verifier):
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._ws = ws
        self._proxy = proxy
        self._router = router
        self._verifier = verifier
        self._reader = MessageReader(None)
        self._flush_planned = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.session = Session(Role.AGENT, loop.time())
        self.welcomed: asyncio.Future[Welcome] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.spread_seconds: float | None = None
        self.updates: asyncio.Queue[Update] = asyncio.Queue(16)
        ws.carrier = self

    @classmethod
    async def dial(
        cls, config: AgentConfig, proof: str, proxy: Proxy, router: Router, verifier: Verifier
    ) -> "Carrier":
        """Open a carrier. Raises OSError, PinMismatch, or the library's InvalidHandshake."""

        class Connection(PinnedConnection):
            pins = config.pins

        ws = await _Connect(
            config.websocket_url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers={"Authorization": f"Fleet-Agent {proof}"},
            user_agent_header="fleet-portal-agent",
            compression=None,
            max_size=MESSAGE_MAX,
            open_timeout=OPEN_SECONDS,
            ping_interval=None,
            close_timeout=3,
            write_limit=WRITE_HIGH,
            ssl=context_for(config.pins),
            logger=_library_log,
            create_connection=Connection,
        )
        _keep_alive(ws.transport.get_extra_info("socket"))
        return cls(ws, proxy, router, verifier)  # type: ignore[arg-type]

    async def introduce(self, hello: Hello) -> Welcome:
        """Send HELLO and return the WELCOME. Raises ConnectionError when none comes."""
        self.session.hello(hello)
        self.flush_soon()
        waited: list[asyncio.Future[Any]] = [self.welcomed, self.ended]
        await asyncio.wait(waited, timeout=WELCOME_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not self.welcomed.done():
            self.abort()
            raise ConnectionError("no WELCOME came")
        return self.welcomed.result()

    @property
    def close_code(self) -> int | None:
        """The code the carrier was closed with, if it was."""
        return self._ws.protocol.close_code

    @property
    def close_reason(self) -> str:
        """The portal's reason."""
        return self._ws.protocol.close_reason or ""

    async def close(self) -> None:
        """End in order: the agent stops, or renews its carrier."""
        with contextlib.suppress(Exception):
            await self._ws.close(CloseCode.GOING_AWAY, "the agent closes")

    def abort(self) -> None:
        """Drop the connection."""
        self._ws.transport.abort()

    def poll(self, now: float) -> None:
        """Let time pass; called about each second."""
        try:
            for event in self.session.poll(now):
                self._dispatch(event)
        except TunnelError as error:
            self._broken(error)
        if self.session.silent and now - self.session.heard_at >= GIVE_UP_SECONDS:
            log.warning("nothing was heard from the portal for %d s", GIVE_UP_SECONDS)
            self.abort()
        self.flush_soon()

    # Streams (StreamSide)

    def send_head(self, stream: Stream, head: ResponseHead, end: bool) -> None:
        """Send a response's head."""
        if stream.id not in self.session.streams:
            return
        try:
            self.session.send_head(stream, head, end)
        except TunnelError:
            self.session.reset(stream, ResetCode.INTERNAL, "the answer's head is too long")
        self.flush_soon()

    def send_data(self, stream: Stream, data: Payload, end: bool) -> bool:
        """Send bytes of a response; False asks to pause."""
        more = self.session.send_data(stream, data, end)
        self.flush_soon()
        return more

    def consumed(self, stream: Stream, count: int) -> None:
        """Give credit back to the portal."""
        self.session.consumed(stream, count, self._loop.time())
        self.flush_soon()

    def reset(self, stream: Stream, code: int, reason: str = "") -> None:
        """Cut a stream."""
        self.session.reset(stream, code, reason)
        self.flush_soon()

    # The socket

    def received(self, data: bytes) -> None:
        """Take what the portal sent."""
        now = self._loop.time()
        try:
            for message in self._reader.feed(data):
                if type(message) is Control:
                    self._ws.library_received(bytes(message))
                else:
                    event = self.session.receive(message, now)
                    if event is not None:
                        self._dispatch(event)
            for event in self.session.events():
                self._dispatch(event)
        except TunnelError as error:
            self._broken(error)
        self.flush_soon()

    def lost(self) -> None:
        """The connection ended: so do its streams."""
        for stream in list(self.session.streams.values()):
            if stream.owner is not None:
                stream.owner.on_carrier_lost()
        self.session.streams.clear()
        for task in list(self._tasks):
            task.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

    def flush_soon(self) -> None:
        """Write at the end of this turn of the loop."""
        if not self._flush_planned and self.session.has_output:
            self._flush_planned = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_planned = False
        ws = self._ws
        if ws.paused or ws.transport.is_closing() or ws.protocol.state is not OPEN:
            return
        frames = self.session.take(TAKE_BYTES, self._loop.time())
        if frames:
            # A mask needs no secret, only bytes that the far side cannot have chosen.
            ws.transport.write(pack_masked(frames, apply_mask, os.urandom(4 * len(frames))))
        for event in self.session.events():
            self._dispatch(event)
        self.flush_soon()

    def _broken(self, error: TunnelError) -> None:
        log.error("the portal broke the tunnel's protocol: %s", error)
        self.spawn(self._ws.close(error.close_code, str(error)[:100]))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that ends with the carrier."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _dispatch(self, event: Event) -> None:
        kind = type(event)
        if kind is Opened:
            self._open(event)  # type: ignore[arg-type]
        elif isinstance(event, DataReceived):
            event.stream.owner.on_data(event.data, event.end)
        elif isinstance(event, Writable):
            event.stream.owner.on_writable()
        elif isinstance(event, ResetReceived):
            event.stream.owner.on_reset(event.code, event.reason)
        elif isinstance(event, WelcomeReceived):
            self.welcomed.set_result(event.welcome)
        elif isinstance(event, Updated):
            if not self.updates.full():
                self.updates.put_nowait(event.update)
        elif isinstance(event, GoAway):
            self.spread_seconds = float(event.spread_seconds)
        elif isinstance(event, Silent):
            log.warning("the portal has been silent for a while")
        elif isinstance(event, Lost):
            self.abort()

    def _open(self, event: Opened) -> None:
        head, stream = event.head, event.stream
        try:
            assertion = self._verifier.verify(head.assertion, time.time())
        except AssertionInvalid as error:
            log.warning("request %s refused: %s", head.request_id, error)
            self.session.reset(stream, ResetCode.IDENTITY, str(error))
            return
        try:
            if head.to == "agent":
                self._open_local(stream, head, assertion, event.end)
            else:
                self._proxy.serve(self, stream, head, assertion, event.end)
        except RequestRefused as refused:
            log.warning("request %s refused: %s", head.request_id, refused.message)
            self.session.reset(stream, ResetCode.POLICY, refused.message)

    def _open_local(self, stream: Stream, head: OpenHead, assertion: Assertion, end: bool) -> None:
        check_caller(assertion)
        exchange = LocalExchange(self, stream, head)
        stream.owner = exchange
        exchange.start(self._router, end)


def _keep_alive(sock: Any) -> None:
    """Let the kernel notice a dead path too: 30 s of unanswered data end the connection."""
    if sock is None:
        return
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
