"""One agent's carrier: a WebSocket at `/tunnel/v1`, between its socket and its session.

The library does the handshake, pings and the closing; binary messages go straight between the
socket and the session (see `tunnel/wire.py`). Events of a stream go to its owner: a person's
request, or the reader of the agent's reports.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from websockets.datastructures import Headers
from websockets.http11 import Request as HandshakeRequest
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask
from websockets.typing import Subprotocol

from clusters.gateway.exchange import Flusher, Request
from clusters.tunnel.events import (
    DataReceived,
    Event,
    GoAway,
    HeadReceived,
    Heard,
    HelloReceived,
    Lost,
    ResetReceived,
    Silent,
    Stream,
    Writable,
)
from clusters.tunnel.frames import (
    MESSAGE_MAX,
    SUBPROTOCOL,
    CloseCode,
    Hello,
    OpenHead,
    Payload,
    ResponseHead,
    TunnelError,
    Update,
    Welcome,
)
from clusters.tunnel.session import Role, Session
from clusters.tunnel.wire import Control, MessageReader, pack_plain

log = logging.getLogger(__name__)
# The library reports every handshake at INFO; agents come and go by the thousand.
_library_log = logging.getLogger("clusters.gateway.websocket")
_library_log.setLevel(logging.WARNING)

HELLO_SECONDS = 10.0
WRITE_HIGH = 512 * 1024
TAKE_BYTES = 256 * 1024  # what is written at once stays in the processor's cache


class CarrierHost(Protocol):
    """What a carrier needs of the gateway around it."""

    flusher: Flusher

    def now(self) -> float:
        """Return the loop's time."""

    def greet(self, carrier: "Carrier", hello: Hello) -> None:
        """An agent introduced itself: welcome it or close."""

    def liveness_changed(self, carrier: "Carrier") -> None:
        """The agent fell silent, or spoke again."""

    def lost(self, carrier: "Carrier") -> None:
        """The carrier is gone."""


class StreamOwner(Protocol):
    """Who gets the events of a stream."""

    def on_head(self, head: ResponseHead, end: bool) -> None:
        """The response begins."""

    def on_data(self, data: Payload, end: bool) -> None:
        """Bytes of the response; the owner calls `consumed`."""

    def on_writable(self) -> None:
        """A paused request body may go on."""

    def on_reset(self, code: int, reason: str) -> None:
        """The stream is gone."""

    def on_carrier_lost(self) -> None:
        """The carrier is gone."""


class Carrier(asyncio.Protocol):
    """One agent's WebSocket."""

    def __init__(self, host: CarrierHost, remote: str, agent_jws: str) -> None:
        self.host = host
        self.remote = remote
        self.agent_jws = agent_jws
        self.cluster = ""
        self.cluster_uid = ""
        self.instance = ""
        self.session_id = ""
        self.session = Session(Role.PORTAL, host.now())
        self.connected_at = host.now()
        self._library = ServerProtocol(
            subprotocols=[Subprotocol(SUBPROTOCOL)], max_size=MESSAGE_MAX, logger=_library_log
        )
        self._reader = MessageReader(apply_mask)
        self._transport: asyncio.Transport | None = None
        self._writing_paused = False
        self._flush_planned = False
        self._greeted = False
        self.close_code = 0
        self.close_reason = ""

    # The WebSocket

    def accept(
        self, request: Request, take_over: Callable[[asyncio.Protocol], asyncio.Transport]
    ) -> bool:
        """Answer the handshake; False when it is none (then the connection is closing)."""
        headers = Headers()
        for name, value in request.headers:
            headers[name.decode("latin-1")] = value.decode("latin-1")
        handshake = HandshakeRequest(request.target, headers)
        self._library.receive_data(handshake.serialize())
        self._library.events_received()
        response = self._library.accept(handshake)
        self._library.send_response(response)
        self._transport = take_over(self)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        self._write_library()
        return self._library.state is OPEN

    def data_received(self, data: bytes) -> None:
        """Take what the agent sent; a broken rule closes the carrier."""
        now = self.host.now()
        session = self.session
        try:
            for message in self._reader.feed(data):
                if type(message) is Control:
                    self._take_control(message, now)
                else:
                    event = session.receive(message, now)
                    if event is not None:
                        self._dispatch(event)
            for event in session.events():
                self._dispatch(event)
        except TunnelError as error:
            log.warning("carrier of %s: %s", self.name, error)
            self.close(error.close_code, str(error))
        self.flush_soon()

    def eof_received(self) -> bool:
        """Let the transport close."""
        self._library.receive_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who was on this carrier."""
        self._transport = None
        self.host.lost(self)
        streams = list(self.session.streams.values())
        self.session.streams.clear()
        for stream in streams:
            stream.owner.on_carrier_lost()

    def pause_writing(self) -> None:
        """Frames wait in the session from here on."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Frames flow again."""
        self._writing_paused = False
        self.flush_soon()

    def close(self, code: int, reason: str) -> None:
        """Close with a code; the agent reads there what to do next."""
        if self._transport is None or self.close_code:
            return
        self.close_code, self.close_reason = int(code), reason
        self._flush()
        if self._library.state is OPEN:
            # A reason fits 123 bytes of a close frame.
            self._library.send_close(int(code), reason.encode()[:120].decode(errors="ignore"))
            self._write_library()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection: nobody is there to close it with."""
        if self._transport is not None:
            self.close_code = self.close_code or 1006
            self._transport.abort()

    # Streams

    @property
    def name(self) -> str:
        """What logs call this carrier."""
        return f"{self.cluster or 'unknown'} ({self.remote})"

    @property
    def gone(self) -> bool:
        """Whether the connection has ended or is ending."""
        return self._transport is None or bool(self.close_code)

    @property
    def can_open(self) -> bool:
        """Whether one more stream fits."""
        return self.session.can_open

    @property
    def silent(self) -> bool:
        """Whether nothing was heard for a while."""
        return self.session.silent

    @property
    def open_streams(self) -> int:
        """How many requests are on it."""
        return len(self.session.streams)

    def open(self, head: OpenHead, end: bool, owner: StreamOwner, window: int) -> Stream:
        """Open a stream for `owner`. Raises TunnelError when the head is too long."""
        stream = self.session.open(head, end, owner, self.host.now(), window)
        self.flush_soon()
        return stream

    def send_data(self, stream: Stream, data: Payload, end: bool) -> bool:
        """Queue bytes of a request; False asks to pause."""
        more = self.session.send_data(stream, data, end)
        self.flush_soon()
        return more

    def consumed(self, stream: Stream, count: int) -> None:
        """Give credit back to the agent."""
        self.session.consumed(stream, count, self.host.now())
        self.flush_soon()

    def reset(self, stream: Stream, code: int) -> None:
        """Cut a stream."""
        self.session.reset(stream, code)
        self.flush_soon()

    def update(self, update: Update) -> None:
        """Send changed settings or keys."""
        self.session.update(update)
        self.flush_soon()

    def goaway(self, code: int, grace_seconds: int, spread_seconds: int) -> None:
        """Ask the agent to dial anew; nothing is opened here any more."""
        self.session.goaway(code, grace_seconds, spread_seconds)
        self.flush_soon()

    def welcome(self, welcome: Welcome) -> None:
        """Accept the agent."""
        self.session.welcome(welcome, self.host.now())
        self.flush_soon()

    def poll(self, now: float) -> None:
        """Let time pass; called about each second."""
        if not self._greeted and now - self.connected_at > HELLO_SECONDS:
            self.close(CloseCode.PROTOCOL, "no HELLO came")
            return
        for event in self.session.poll(now):
            self._dispatch(event)
        self.flush_soon()

    def flush_soon(self) -> None:
        """Write at the end of this turn of the loop."""
        if not self._flush_planned and self.session.has_output:
            self._flush_planned = True
            self.host.flusher.add(self._flush)

    # Inside

    def _flush(self) -> None:
        self._flush_planned = False
        if self._writing_paused or self._transport is None:
            return
        frames = self.session.take(TAKE_BYTES, self.host.now())
        if frames and self._library.state is OPEN:
            self._transport.write(pack_plain(frames))
        for event in self.session.events():
            self._dispatch(event)
        self.flush_soon()

    def _take_control(self, message: Control, now: float) -> None:
        self.session.heard_at = now
        self._library.receive_data(bytes(message))
        self._library.events_received()
        if self._library.close_rcvd is not None and not self.close_code:
            self.close_code = self._library.close_rcvd.code
            self.close_reason = self._library.close_rcvd.reason
        self._write_library()

    def _write_library(self) -> None:
        for data in self._library.data_to_send():
            if self._transport is None:
                return
            if data:
                self._transport.write(data)
            else:
                self._transport.close()

    def _dispatch(self, event: Event) -> None:
        kind = type(event)
        if kind is DataReceived:
            event.stream.owner.on_data(event.data, event.end)  # type: ignore[attr-defined]
        elif kind is HeadReceived:
            event.stream.owner.on_head(event.head, event.end)  # type: ignore[attr-defined]
        elif isinstance(event, Writable):
            event.stream.owner.on_writable()
        elif isinstance(event, ResetReceived):
            event.stream.owner.on_reset(event.code, event.reason)
        elif isinstance(event, HelloReceived):
            self._greeted = True
            self.host.greet(self, event.hello)
        elif isinstance(event, Silent | Heard):
            self.host.liveness_changed(self)
        elif isinstance(event, Lost):
            self.close_reason = "nothing was heard for a minute"
            self.abort()
        elif isinstance(event, GoAway):
            log.info("carrier of %s goes away", self.name)
