"""One carrier between portal and agent, as a protocol without I/O: both ends use it.

Messages go in by `receive` and come out as events; what must be sent waits inside until the shell
around it calls `take`. Time is always an argument. The rules kept here:

- Streams: the portal opens, the agent answers with one HEAD; each direction ends with END.
  Everything is keyed by stream id, never by "the current request".
- Credit: each stream and direction has its own window. The receiver gives credit back only when
  its own consumer took the bytes (`consumed`), so one slow reader stops one stream and no more.
  There is no window for the whole carrier: that would let slow readers stop everybody.
- Order of sending: control frames first, then one DATA frame per stream in turn.
- Liveness: any inbound frame counts as life. The agent pings when it is idle; the portal pings
  only what has gone quiet. Every minute each side names its open streams, and one the other side
  twice did not know is cut.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

from clusters.tunnel import frames
from clusters.tunnel.events import (
    DataReceived,
    Event,
    GoAway,
    HeadReceived,
    Heard,
    HelloReceived,
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
    DATA_MAX,
    Flag,
    FrameType,
    Hello,
    OpenHead,
    Payload,
    ResetCode,
    ResponseHead,
    TunnelError,
    Update,
    Welcome,
)

INITIAL_WINDOW = 256 * 1024
SMALL_WINDOW = 64 * 1024  # given to new streams when memory runs short
MAX_WINDOW = 2 * 1024 * 1024
# What all windows of a carrier may have grown by together: a hundred readers that began fast and
# then stopped must not hold two megabytes each.
GROWTH_BUDGET = 16 * 1024 * 1024
SEND_BUFFER = 128 * 1024  # a stream that holds more asks its feeder to pause

PING_SECONDS = 5.0
# The promise is 15 s as a person sees it; one second of them is for the sweep and the page.
SILENT_SECONDS = 14.0
LOST_SECONDS = 60.0
LIVE_SECONDS = 60.0
# The portal speaks up only when two pings of the agent are missing.
QUIET_SECONDS = 2 * PING_SECONDS

MAX_STREAMS = 2000
CONTROL_MAX = 20_000  # frames; more waiting means that the peer asks and never reads

_DATA = int(FrameType.DATA)
_END = int(Flag.END)


class Role(Enum):
    """Which end this is: the portal opens streams, the agent answers."""

    PORTAL = "portal"
    AGENT = "agent"


Outgoing = list[tuple[bytes, Payload]]
Handler = Callable[[int, int, Payload, float], Event | None]


class Session:
    """The state of one carrier. See the module's text."""

    def __init__(self, role: Role, now: float, max_streams: int = MAX_STREAMS) -> None:
        self.role = role
        self.max_streams = max_streams
        self.streams: dict[int, Stream] = {}
        self.established = False
        self.going_away = False
        self.silent = False
        self.heard_at = now
        self.rtt_seconds = 0.0
        self._last_id = -1 if role is Role.PORTAL else 0
        self._control: deque[tuple[bytes, Payload]] = deque()
        self._ready: deque[Stream] = deque()
        self._events: list[Event] = []
        self._sent_at = now
        self._pinged_at = now
        self._pings: dict[int, float] = {}
        self._ping_count = 0
        self._grown = 0
        self._live_at = now
        self._strangers: set[int] = set()
        self._handlers: dict[int, Handler] = {
            FrameType.HELLO: self._on_hello,
            FrameType.WELCOME: self._on_welcome,
            FrameType.OPEN: self._on_open,
            FrameType.HEAD: self._on_head,
            FrameType.DATA: self._on_data,
            FrameType.WINDOW: self._on_window,
            FrameType.RESET: self._on_reset,
            FrameType.PING: self._on_ping,
            FrameType.PONG: self._on_pong,
            FrameType.GOAWAY: self._on_goaway,
            FrameType.UPDATE: self._on_update,
            FrameType.LIVE: self._on_live,
        }

    # What the shell says

    def hello(self, hello: Hello) -> None:
        """Queue the agent's introduction; the first frame of every carrier."""
        self._send(FrameType.HELLO, 0, 0, frames.encode_body(hello))

    def welcome(self, welcome: Welcome, now: float) -> None:
        """Queue the portal's acceptance; streams may be opened from here on."""
        self.established = True
        self._send(FrameType.WELCOME, 0, 0, frames.encode_body(welcome))
        self._ping(now)

    def update(self, update: Update) -> None:
        """Queue changed settings or keys for the agent."""
        self._send(FrameType.UPDATE, 0, 0, frames.encode_body(update))

    def goaway(self, code: int, grace_seconds: int, spread_seconds: int) -> None:
        """Tell the peer that no new stream may start here."""
        self.going_away = True
        payload = frames.encode_goaway(max(self._last_id, 0), code, grace_seconds, spread_seconds)
        self._send(FrameType.GOAWAY, 0, 0, payload)

    @property
    def can_open(self) -> bool:
        """Whether one more stream fits on this carrier."""
        return self.established and not self.going_away and len(self.streams) < self.max_streams

    def open(
        self, head: OpenHead, end: bool, owner: Any, now: float, window: int = INITIAL_WINDOW
    ) -> Stream:
        """Open a stream for a request. Check `can_open` first.

        Raises TunnelError when the head does not fit in one message, or ids have run out.
        """
        payload = frames.encode_body(head)
        stream_id = self._last_id + 2
        if stream_id > frames.STREAM_ID_MAX:
            raise TunnelError("the carrier has used up its stream ids")
        self._last_id = stream_id
        stream = Stream(stream_id, INITIAL_WINDOW, window, now)
        stream.owner = owner
        stream.ending = stream.end_sent = end
        self.streams[stream_id] = stream
        self._send(FrameType.OPEN, _END if end else 0, stream_id, payload)
        return stream

    def send_head(self, stream: Stream, head: ResponseHead, end: bool) -> None:
        """Queue the response's head; exactly once per stream, before any data."""
        payload = frames.encode_body(head)
        stream.head_seen = True
        self._send(FrameType.HEAD, _END if end else 0, stream.id, payload)
        if end:
            stream.ending = stream.end_sent = True
            self._forget_if_done(stream)

    def send_data(self, stream: Stream, data: Payload, end: bool = False) -> bool:
        """Queue bytes of a body; False asks the caller to pause until Writable."""
        if stream.ending or not (data or end) or stream.id not in self.streams:
            return True
        if data:
            stream.queue.append(data)
            stream.queued += len(data)
        stream.ending = end
        if not stream.scheduled and (stream.send_credit or not stream.queue):
            stream.scheduled = True
            self._ready.append(stream)
        if stream.queued > SEND_BUFFER and not end:
            stream.waiting = True
            return False
        return True

    def reset(self, stream: Stream, code: int, reason: str = "") -> None:
        """Cut a stream, both ways. Does nothing when it is already gone."""
        if self._remove(stream):
            self._drop_queue(stream)
            self._send(FrameType.RESET, 0, stream.id, frames.encode_reset(code, reason))

    def consumed(self, stream: Stream, count: int, now: float) -> None:
        """Note that `count` received bytes have left this process; gives credit back by halves.

        A stream that drains half its window within a round trip gets double, to MAX_WINDOW.
        """
        stream.owed += count
        if stream.end_received or stream.owed * 2 < stream.window:
            return
        if stream.id not in self.streams:
            return
        growth = self._growth(stream, now)
        stream.window += growth
        stream.grown += growth
        self._grown += growth
        grant, stream.owed = stream.owed + growth, 0
        stream.granted_at = now
        stream.receive_credit += grant
        if grant:
            self._send(FrameType.WINDOW, 0, stream.id, frames.encode_u32(grant))

    # What goes out

    @property
    def has_output(self) -> bool:
        """Whether `take` would return anything."""
        return bool(self._control or self._ready)

    def take(self, limit: int, now: float) -> Outgoing:
        """Return frames to send as (header, payload), about `limit` bytes of data at most."""
        out: Outgoing = list(self._control)
        self._control.clear()
        ready = self._ready
        while ready and limit > 0:
            stream = ready.popleft()
            data = self._next_chunk(stream)
            end = stream.ending and not stream.queue
            out.append((frames.HEADER.pack(_DATA, _END if end else 0, 0, stream.id), data))
            limit -= len(data)
            if end:
                stream.scheduled = False
                stream.end_sent = True
                self._forget_if_done(stream)
            elif stream.queue and stream.send_credit:
                ready.append(stream)
            else:
                stream.scheduled = False
            if stream.waiting and stream.queued * 2 <= SEND_BUFFER:
                stream.waiting = False
                self._events.append(Writable(stream))
        if out:
            self._sent_at = now
        return out

    def events(self) -> list[Event]:
        """Return what came up beside the messages themselves: Writable, Heard, cut streams."""
        events, self._events = self._events, []
        return events

    # What comes in

    def receive(self, message: Payload, now: float) -> Event | None:
        """Take one message; raises TunnelError when the carrier must be closed."""
        self.heard_at = now
        if self.silent:
            self.silent = False
            self._events.append(Heard())
        kind, flags, stream_id = frames.decode_header(message)
        handler = self._handlers.get(kind)
        if handler is None:
            if kind >= frames.EXTENSIONS_FROM:
                return None
            raise TunnelError(f"unknown frame type {kind:#x}")
        if not self.established and kind not in (FrameType.HELLO, FrameType.WELCOME):
            raise TunnelError("the first frame must introduce the peer")
        return handler(flags, stream_id, message[frames.HEADER.size :], now)

    def poll(self, now: float) -> list[Event]:
        """Let time pass: pings, LIVE, silence. Call it about each second."""
        quiet = now - self.heard_at
        if quiet >= LOST_SECONDS:
            return [Lost()]
        if quiet >= SILENT_SECONDS and not self.silent:
            self.silent = True
            self._events.append(Silent(self.heard_at))
        if self.established:
            self._ping_when_due(quiet, now)
            if now - self._live_at >= LIVE_SECONDS:
                self._live_at = now
                self._send(FrameType.LIVE, 0, 0, frames.encode_ids(list(self.streams)))
                if self.role is Role.PORTAL:
                    self._ping(now)
        return self.events()

    # Frames, one by one

    def _on_hello(self, _flags: int, _id: int, payload: Payload, _now: float) -> Event:
        if self.role is not Role.PORTAL or self.established:
            raise TunnelError("HELLO out of place")
        return HelloReceived(frames.decode_body(FrameType.HELLO, payload))

    def _on_welcome(self, _flags: int, _id: int, payload: Payload, now: float) -> Event:
        if self.role is not Role.AGENT or self.established:
            raise TunnelError("WELCOME out of place")
        self.established = True
        self._ping(now)
        return WelcomeReceived(frames.decode_body(FrameType.WELCOME, payload))

    def _on_open(self, flags: int, stream_id: int, payload: Payload, now: float) -> Event | None:
        if self.role is not Role.AGENT or stream_id % 2 == 0 or stream_id <= self._last_id:
            raise TunnelError(f"stream {stream_id} cannot be opened")
        self._last_id = stream_id
        if len(self.streams) >= self.max_streams:
            reset = frames.encode_reset(ResetCode.OVERLOAD, "too many streams")
            self._send(FrameType.RESET, 0, stream_id, reset)
            return None
        head: OpenHead = frames.decode_body(FrameType.OPEN, payload)
        stream = Stream(stream_id, head.window or INITIAL_WINDOW, INITIAL_WINDOW, now)
        stream.end_received = bool(flags & _END)
        self.streams[stream_id] = stream
        return Opened(stream, head, stream.end_received)

    def _on_head(self, flags: int, stream_id: int, payload: Payload, _now: float) -> Event | None:
        stream = self._find(stream_id)
        if stream is None:
            return None
        if self.role is not Role.PORTAL or stream.head_seen:
            raise TunnelError("HEAD out of place")
        stream.head_seen = True
        head = frames.decode_body(FrameType.HEAD, payload)
        stream.end_received = bool(flags & _END)
        if stream.end_received:
            self._forget_if_done(stream)
        return HeadReceived(stream, head, stream.end_received)

    def _on_data(self, flags: int, stream_id: int, payload: Payload, _now: float) -> Event | None:
        stream = self._find(stream_id)
        if stream is None:
            return None
        if stream.end_received or (self.role is Role.PORTAL and not stream.head_seen):
            return self._cut(stream, ResetCode.INTERNAL, "DATA out of place")
        stream.receive_credit -= len(payload)
        if stream.receive_credit < 0 or len(payload) > DATA_MAX:
            return self._cut(stream, ResetCode.FLOW_CONTROL, "more than the credit given")
        if flags & _END:
            stream.end_received = True
            self._forget_if_done(stream)
        return DataReceived(stream, payload, stream.end_received)

    def _on_window(
        self, _flags: int, stream_id: int, payload: Payload, _now: float
    ) -> Event | None:
        stream = self._find(stream_id)
        credit = frames.decode_u32(payload)
        if stream is None:
            return None
        stream.send_credit += credit
        if stream.send_credit > frames.CREDIT_MAX:
            return self._cut(stream, ResetCode.FLOW_CONTROL, "credit beyond 2^31-1")
        if stream.queue and stream.send_credit and not stream.scheduled:
            stream.scheduled = True
            self._ready.append(stream)
        return None

    def _on_reset(self, _flags: int, stream_id: int, payload: Payload, _now: float) -> Event | None:
        code, reason = frames.decode_reset(payload)
        stream = self._find(stream_id)
        if stream is None:
            return None
        self._remove(stream)
        self._drop_queue(stream)
        return ResetReceived(stream, code, reason)

    def _on_ping(self, _flags: int, _id: int, payload: Payload, _now: float) -> None:
        frames.decode_nonce(payload)
        self._send(FrameType.PONG, 0, 0, bytes(payload))

    def _on_pong(self, _flags: int, _id: int, payload: Payload, now: float) -> None:
        sent_at = self._pings.pop(frames.decode_nonce(payload), None)
        if sent_at is not None:
            self.rtt_seconds = now - sent_at

    def _on_goaway(self, _flags: int, _id: int, payload: Payload, _now: float) -> Event:
        _, code, grace, spread = frames.decode_goaway(payload)
        self.going_away = True
        return GoAway(code, grace, spread)

    def _on_update(self, _flags: int, _id: int, payload: Payload, _now: float) -> Event:
        if self.role is not Role.AGENT:
            raise TunnelError("UPDATE out of place")
        return Updated(frames.decode_body(FrameType.UPDATE, payload))

    def _on_live(self, _flags: int, _id: int, payload: Payload, _now: float) -> None:
        known_there = set(frames.decode_ids(payload))
        for stream in list(self.streams.values()):
            stream.missing = 0 if stream.id in known_there else stream.missing + 1
            if stream.missing >= 2:
                event = self._cut(stream, ResetCode.INTERNAL, "unknown at the other end")
                self._events.append(event)
        strangers = known_there - self.streams.keys()
        for stream_id in strangers & self._strangers:
            reset = frames.encode_reset(ResetCode.INTERNAL, "unknown at the other end")
            self._send(FrameType.RESET, 0, stream_id, reset)
        self._strangers = strangers

    # Helpers

    def _send(self, kind: int, flags: int, stream_id: int, payload: Payload) -> None:
        if len(self._control) >= CONTROL_MAX:
            raise TunnelError("the peer does not read what it asked for")
        self._control.append((frames.HEADER.pack(kind, flags, 0, stream_id), payload))

    def _find(self, stream_id: int) -> Stream | None:
        """Return the open stream; None when it has ended, as its last frames may cross ours."""
        stream = self.streams.get(stream_id)
        if stream is None and (stream_id % 2 == 0 or stream_id > self._last_id):
            raise TunnelError(f"stream {stream_id} was never opened")
        return stream

    def _cut(self, stream: Stream, code: ResetCode, reason: str) -> ResetReceived:
        self.reset(stream, code, reason)
        return ResetReceived(stream, code, reason)

    def _forget_if_done(self, stream: Stream) -> None:
        if stream.end_sent and stream.end_received:
            self._remove(stream)

    def _remove(self, stream: Stream) -> bool:
        if self.streams.pop(stream.id, None) is None:
            return False
        self._grown -= stream.grown
        return True

    def _growth(self, stream: Stream, now: float) -> int:
        """Return by how much the window of a stream may grow now."""
        if now - stream.granted_at > self.rtt_seconds:
            return 0
        room = min(MAX_WINDOW - stream.window, GROWTH_BUDGET - self._grown)
        return max(0, min(stream.window, room))

    def _drop_queue(self, stream: Stream) -> None:
        stream.queue.clear()
        stream.queued = 0
        stream.ending = True
        if stream.scheduled:
            stream.scheduled = False
            self._ready.remove(stream)

    def _next_chunk(self, stream: Stream) -> Payload:
        if not stream.queue:
            return b""
        data = stream.queue.popleft()
        size = min(DATA_MAX, stream.send_credit)
        if len(data) > size:
            view = memoryview(data)
            stream.queue.appendleft(view[size:])
            data = view[:size]
        stream.queued -= len(data)
        stream.send_credit -= len(data)
        return data

    def _ping_when_due(self, quiet: float, now: float) -> None:
        if now - self._pinged_at < PING_SECONDS:
            return
        if self.role is Role.PORTAL:
            due = quiet >= QUIET_SECONDS
        else:
            due = quiet >= PING_SECONDS or now - self._sent_at >= PING_SECONDS
        if due:
            self._ping(now)

    def _ping(self, now: float) -> None:
        self._ping_count += 1
        self._pinged_at = now
        if len(self._pings) > 16:
            self._pings.clear()
        self._pings[self._ping_count] = now
        self._send(FrameType.PING, 0, 0, frames.encode_nonce(self._ping_count))
