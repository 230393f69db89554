"""Requests to a cluster: `/k8s/clusters/<name>/…` for people and the portal, `/agents/<name>/…`
for the portal alone (the agent's own endpoints).

A request is checked by the rules of `tunnel/requests.py`, permitted by a grant of the web role,
and becomes one stream of the cluster's carrier; bodies flow both ways under the stream's credit.
Before the answer's head was sent a failure is a metav1.Status; after it, the connection is reset.
"""

from clusters.gateway.counters import AccessLine
from clusters.gateway.desk import CarrierHandle, Desk
from clusters.gateway.exchange import Request
from clusters.gateway.grants import Grant, GrantKey, Question
from clusters.gateway.routes import Route, read_route
from clusters.gateway.server import Front
from clusters.gateway.statuses import (
    AGENT_AWAY,
    AGENT_BUSY,
    AGENT_LOST,
    NO_UPGRADES,
    UNAUTHENTICATED,
    Refusal,
    Refused,
    refusal_of_reset,
)
from clusters.tunnel.events import Stream
from clusters.tunnel.frames import OpenHead, Payload, ResetCode, ResponseHead, TunnelError
from clusters.tunnel.requests import RequestRefused, request_headers
from clusters.tunnel.session import INITIAL_WINDOW

AGENT_WAIT_SECONDS = 5.0
# The gateway's own bound, should the agent not keep the one above.
HEAD_GRACE_SECONDS = 5.0


Headers = list[tuple[bytes, bytes]]


def authorization_of(headers: Headers) -> str:
    """Return the credential, "" when there is none. Raises RequestRefused for two."""
    found = [value for name, value in headers if name.lower() == b"authorization"]
    if len(found) > 1:
        raise RequestRefused(400, "BadRequest", "two Authorization headers")
    return found[0].decode("latin-1") if found else ""


class UserExchange:
    """One request to a cluster, from its head to its last byte."""

    __slots__ = (
        "_bodies",
        "_body_ended",
        "_buffered",
        "_carrier",
        "_counted",
        "_desk",
        "_front",
        "_head_sent",
        "_headers",
        "_request",
        "_route",
        "_sent",
        "_started_at",
        "_status",
        "_stream",
        "deadline",
        "done",
        "grant",
        "key",
        "request_id",
    )

    def __init__(self, desk: Desk, front: Front, request: Request, request_id: str) -> None:
        self._desk = desk
        self._front = front
        self._request = request
        self.request_id = request_id
        self._started_at = front.hub.now()
        self._headers: list[tuple[str, str]] = []
        self._carrier: CarrierHandle | None = None
        self._stream: Stream | None = None
        self._counted: tuple[str, str] | None = None
        self._bodies: list[bytes] = []
        self._body_ended = not request.has_body
        self._buffered = 0  # received from the carrier, not yet taken by the client
        self._head_sent = False
        self._status = 0
        self._sent = 0
        self._route: Route | None = None
        self.key: GrantKey | None = None
        self.grant: Grant | None = None
        self.deadline = 0.0
        self.done = False

    # The way in

    def start(self) -> "UserExchange | None":
        """Check, permit, open. None when the request is already answered."""
        desk, request = self._desk, self._request
        try:
            self._route = route = read_route(request.method, request.target)
            self._headers, authorization = self._read_headers(request.headers)
            if request.upgrade:
                raise Refused(NO_UPGRADES)
            if not authorization:
                raise Refused(UNAUTHENTICATED)
            self.key = GrantKey(authorization, route.cluster, route.to, route.info.acts)
            self.grant = desk.grants.cached(self.key, self._started_at)
            carrier = desk.carriers.pick(route.cluster)
            if self.grant is None or carrier is None:
                if request.has_body:
                    # Only then: a connection that is not read does not tell that it closed.
                    self._front.pause_reading("body")
                desk.spawn(self._ask_and_wait())
            else:
                self._open(carrier)
        except Refused as refused:
            self._refuse(refused.refusal)
        except RequestRefused as refused:
            self._refuse_badly(Refusal(refused.status, refused.reason, refused.message))
        return None if self.done else self

    @property
    def question(self) -> Question | None:
        """What the web role is to be asked about this request; None before it is clear."""
        key, route = self.key, self._route
        if key is None or route is None:
            return None
        return Question(key, self._request.method, route.path, self._front.remote)

    def _read_headers(self, raw: Headers) -> tuple[list[tuple[str, str]], str]:
        """Return what passes and the credential; a client that repeats itself is read once."""
        known: tuple[Headers, list[tuple[str, str]], str] | None = self._front.memory
        if known is not None and known[0] == raw:
            return known[1], known[2]
        passed, authorization = request_headers(raw), authorization_of(raw)
        self._front.memory = (raw, passed, authorization)
        return passed, authorization

    async def _ask_and_wait(self) -> None:
        """The slow way: the web role must be asked, or the agent waited for."""
        desk, question = self._desk, self.question
        if question is None:
            return
        try:
            if self.grant is None:
                self.grant = await desk.grants.ask(question, self._front.hub.wall())
            carrier = await desk.carriers.wait(question.key.cluster, AGENT_WAIT_SECONDS)
            if carrier is None:
                raise Refused(AGENT_AWAY)
            self._open(carrier)
        except Refused as refused:
            self._refuse(refused.refusal)

    def _open(self, carrier: CarrierHandle) -> None:
        grant, route, desk = self.grant, self._route, self._desk
        if grant is None or route is None or self.done:
            return
        if not carrier.can_open:
            raise Refused(AGENT_BUSY)
        window = desk.first_window()
        if self._counted is None:
            self._counted = (grant.person_id, route.cluster)
            desk.opened(self, self._counted)
        ended = self._body_ended and not self._bodies
        self._stream = self._open_stream(carrier, grant, route, ended, window)
        self._carrier = carrier
        if route.head_seconds:
            self.deadline = self._front.hub.now() + route.head_seconds + HEAD_GRACE_SECONDS
        if not ended:
            self._send_bodies()

    def _open_stream(
        self, carrier: CarrierHandle, grant: Grant, route: Route, ended: bool, window: int
    ) -> Stream:
        head = OpenHead(
            self._request.method,
            route.target,
            self._headers,
            grant.assertion,
            self.request_id,
            route.to,
            route.head_seconds,
            window if window != INITIAL_WINDOW else 0,
        )
        try:
            return carrier.open(head, ended, self, window)
        except TunnelError:
            raise Refused(
                Refusal(431, "RequestEntityTooLarge", "the request's head is too long")
            ) from None

    def _send_bodies(self) -> None:
        bodies, self._bodies = self._bodies, []
        self._front.resume_reading("body")
        for data in bodies:
            self.body(data)
        if self._body_ended:
            self.body_end()

    # Exchange: what the client's connection tells

    def body(self, data: bytes) -> None:
        """Send bytes of the request's body on."""
        if self._stream is None or self._carrier is None:
            self._bodies.append(data)
        elif not self._carrier.send_data(self._stream, data, False):
            self._front.pause_reading("body")

    def body_end(self) -> None:
        """Say that the request is whole."""
        self._body_ended = True
        if self._stream is not None and self._carrier is not None:
            self._carrier.send_data(self._stream, b"", True)

    def gone(self) -> None:
        """The client left: nobody needs the answer."""
        if not self.done:
            self._reset(ResetCode.CANCEL)
            self._settle(499, "the client left")

    def client_reads_slowly(self) -> None:
        """Credit stays back from here on: see `on_data`."""

    def client_reads_on(self) -> None:
        """Give back the credit of all that the client has taken by now."""
        buffered, self._buffered = self._buffered, 0
        if buffered:
            self._desk.counters.buffered_bytes -= buffered
            if self._stream is not None and self._carrier is not None:
                self._carrier.consumed(self._stream, buffered)

    # What the carrier tells

    def on_head(self, head: ResponseHead, end: bool) -> None:
        """Send the answer's head to the client."""
        headers = head.headers if head.status // 100 != 3 else self._with_prefix(head.headers)
        if headers is None:
            self._reset(ResetCode.CANCEL)
            self._refuse(Refusal(502, "InternalError", "the cluster redirects to another place"))
            return
        self._head_sent = True
        self.deadline = 0.0
        self._status = head.status
        self._front.send_head(head.status, headers, end=end)
        if end:
            self._finish()

    def on_data(self, data: Payload, end: bool) -> None:
        """Send bytes of the answer on; credit goes back once the client reads."""
        size = len(data)
        front = self._front
        self._sent += size
        front.send_body(data)
        if end:
            self._finish()
        elif front.reads_slowly:
            self._buffered += size
            self._desk.counters.buffered_bytes += size
        elif self._carrier is not None and self._stream is not None:
            self._carrier.consumed(self._stream, size)

    def on_writable(self) -> None:
        """The carrier takes more of the request's body."""
        self._front.resume_reading("body")

    def on_reset(self, code: int, reason: str) -> None:
        """The agent gave up, or the carrier did."""
        self._desk.counters.resets[code] += 1
        self._stream = None
        self._fail(refusal_of_reset(code, reason))

    def on_carrier_lost(self) -> None:
        """The carrier broke. What only reads and has no answer yet is tried once more."""
        self._stream = self._carrier = None
        if self.done:
            return
        acts = self._route is None or self._route.info.acts
        if self._head_sent or acts or self._request.has_body or not self.deadline:
            self._fail(AGENT_LOST)
        else:
            self.deadline = 0.0
            self._desk.spawn(self._ask_and_wait())

    def cut(self, code: ResetCode, refusal: Refusal) -> None:
        """End the stream both ways: a right is gone, or time is over."""
        if not self.done:
            self._reset(code)
            self._fail(refusal)

    def end_watch(self) -> None:
        """End a watch cleanly: its client asks again, from where it was."""
        is_watch = self._route is not None and self._route.info.verb == "watch"
        if is_watch and self._head_sent and not self.done:
            self._reset(ResetCode.CANCEL)
            self._finish()

    # Ends

    def _fail(self, refusal: Refusal) -> None:
        if self.done:
            return
        if self._head_sent:
            self._settle(self._status, refusal.message)
            self._front.abort()
        else:
            self._refuse(refusal)

    def _refuse(self, refusal: Refusal) -> None:
        if not self.done:
            self._settle(refusal.status, refusal.message)
            self._front.refuse(refusal, self.request_id)

    def _refuse_badly(self, refusal: Refusal) -> None:
        """Refuse a request no honest client sends; nothing more is read from there."""
        if refusal.status == 400:
            self._settle(refusal.status, refusal.message)
            self._front.refuse_connection(refusal, self.request_id)
        else:
            self._refuse(refusal)

    def _finish(self) -> None:
        if not self._body_ended:
            self._reset(ResetCode.CANCEL)
        self._settle(self._status, "")
        self._front.finish()

    def _reset(self, code: ResetCode) -> None:
        stream, self._stream = self._stream, None
        if stream is not None and self._carrier is not None:
            self._carrier.reset(stream, code)

    def _settle(self, status: int, note: str) -> None:
        self.done = True
        self.deadline = 0.0
        desk = self._desk
        if self._buffered:
            desk.counters.buffered_bytes -= self._buffered
            self._buffered = 0
        if self._counted is not None:
            desk.closed(self, self._counted)
        desk.counters.answers[status // 100] += 1
        desk.access_log.add(self._line(status, note))

    def _line(self, status: int, note: str) -> AccessLine:
        grant, route, hub = self.grant, self._route, self._front.hub
        line = AccessLine(
            hub.wall(),
            self.request_id,
            self._front.remote,
            self._request.method,
            status,
            hub.now() - self._started_at,
            self._sent,
            note=note,
        )
        if route is not None:
            line.cluster, line.path = route.cluster, route.path
            line.verb, line.resource = route.info.verb, route.resource
        if grant is not None:
            line.person, line.person_id = grant.person, grant.person_id
            line.token_id = grant.token_id
        return line

    def _with_prefix(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]] | None:
        """Return the headers with Location under this cluster's prefix; None if it leaves it."""
        prefix = self._route.prefix if self._route is not None else ""
        changed = []
        for name, value in headers:
            if name.lower() == "location":
                if not value.startswith("/") or value.startswith("//"):
                    return None
                value = prefix + value
            changed.append((name, value))
        return changed
