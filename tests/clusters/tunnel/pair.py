"""Both ends of a carrier joined in memory, with a clock that tests move."""

from typing import Any

from clusters.tunnel.events import DataReceived, Event, HelloReceived, Opened, Stream, Writable
from clusters.tunnel.frames import Hello, OpenHead, ResponseHead, Welcome
from clusters.tunnel.session import Role, Session


def request(method: str = "GET", target: str = "/api", **fields: Any) -> OpenHead:
    """Return a request's head."""
    return OpenHead(method, target, [], "a.b.c", "r-1", **fields)


OK = ResponseHead(200, [])


class Pair:
    """A portal's and an agent's session; `pump` carries what waits to the other side."""

    def __init__(self, *, greeted: bool = True, max_streams: int = 2000) -> None:
        self.now = 0.0
        self.portal = Session(Role.PORTAL, self.now, max_streams)
        self.agent = Session(Role.AGENT, self.now, max_streams)
        self.sent: list[bytes] = []
        if greeted:
            self.agent.hello(Hello(1, "0.1.0", "i", "u"))
            events = self.pump()
            assert isinstance(events[0], HelloReceived)
            self.portal.welcome(Welcome("s", [], 2.0, 0.0), self.now)
            self.pump()

    def pump(self, limit: int = 2**20, *, portal: bool = True, agent: bool = True) -> list[Event]:
        """Carry frames both ways until nothing moves; return what they meant."""
        events: list[Event] = []
        while True:
            moved = (portal and self.step(self.portal, self.agent, limit, events)) or 0
            moved += (agent and self.step(self.agent, self.portal, limit, events)) or 0
            if not moved:
                return events

    def step(self, source: Session, target: Session, limit: int, events: list[Event]) -> int:
        """Carry one batch of frames one way."""
        frames = source.take(limit, self.now)
        events += source.events()
        for header, payload in frames:
            self.sent.append(header + bytes(payload))
            if event := target.receive(header + bytes(payload), self.now):
                events.append(event)
        events += target.events()
        return len(frames)

    def open(self, head: OpenHead | None = None, *, end: bool = True) -> tuple[Stream, Stream]:
        """Open a stream; return it as the portal and as the agent have it."""
        stream = self.portal.open(head or request(), end, None, self.now)
        opened = [event for event in self.pump() if isinstance(event, Opened)]
        return stream, opened[-1].stream


def data_of(events: list[Event], stream: Stream) -> bytes:
    """Return all bytes that the events brought for a stream."""
    return b"".join(
        bytes(event.data)
        for event in events
        if isinstance(event, DataReceived) and event.stream is stream
    )


def writable(events: list[Event]) -> list[Stream]:
    """Return the streams whose feeders may go on."""
    return [event.stream for event in events if isinstance(event, Writable)]
