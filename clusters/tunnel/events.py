"""A stream of a carrier, and what a session tells its shell about streams and the carrier. Pure."""

from collections import deque
from typing import Any

import msgspec

from clusters.tunnel.frames import Hello, OpenHead, Payload, ResponseHead, Update, Welcome


class Stream:
    """One request in flight. `owner` belongs to the shell; the rest belongs to the session."""

    __slots__ = (
        "end_received",
        "end_sent",
        "ending",
        "granted_at",
        "grown",
        "head_seen",
        "id",
        "missing",
        "owed",
        "owner",
        "queue",
        "queued",
        "receive_credit",
        "scheduled",
        "send_credit",
        "waiting",
        "window",
    )

    def __init__(self, stream_id: int, send_credit: int, window: int, now: float) -> None:
        self.id = stream_id
        self.owner: Any = None
        self.send_credit = send_credit
        self.receive_credit = window
        self.window = window
        self.owed = 0  # consumed here, not yet given back to the sender
        self.grown = 0
        self.granted_at = now
        self.queue: deque[Payload] = deque()
        self.queued = 0
        self.ending = False
        self.scheduled = False
        self.waiting = False
        self.end_sent = False
        self.end_received = False
        self.head_seen = False
        self.missing = 0


class Event(msgspec.Struct, gc=False):
    """What a message, or the passing of time, means for the shell."""


class HelloReceived(Event):
    """The agent introduced itself; answer with `welcome` or close."""

    hello: Hello


class WelcomeReceived(Event):
    """The portal accepted this carrier."""

    welcome: Welcome


class Updated(Event):
    """The portal changed settings or keys."""

    update: Update


class Opened(Event):
    """A request begins. `end`: it has no body."""

    stream: Stream
    head: OpenHead
    end: bool


class HeadReceived(Event):
    """A response begins. `end`: it has no body."""

    stream: Stream
    head: ResponseHead
    end: bool


class DataReceived(Event):
    """Bytes of a body; call `consumed` once they have left this process."""

    stream: Stream
    data: Payload
    end: bool


class ResetReceived(Event):
    """The stream is gone, both ways."""

    stream: Stream
    code: int
    reason: str


class Writable(Event):
    """A feeder that was told to pause may go on."""

    stream: Stream


class GoAway(Event):
    """The peer takes no new streams here; reconnect within `spread_seconds`."""

    code: int
    grace_seconds: int
    spread_seconds: int


class Silent(Event):
    """Nothing was heard for SILENT_SECONDS."""

    heard_at: float


class Heard(Event):
    """A silent peer spoke again."""


class Lost(Event):
    """Nothing was heard for LOST_SECONDS: close the carrier."""
