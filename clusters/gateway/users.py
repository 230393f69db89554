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
from clusters.tunnel.frames import OpenHead, Payload, ResetCode, ResponseHead, TunnelError
from clusters.tunnel.requests import (
    RequestInfo,
    RequestRefused,
    check_method,
    check_target,
    parse_request,
    request_headers,
)
from clusters.tunnel.session import INITIAL_WINDOW, Stream

AGENT_WAIT_SECONDS = 5.0
HEAD_SECONDS = 65.0  # kube-apiserver itself gives up at 60 s
# The gateway's own bound, should the agent not keep the one above.
HEAD_GRACE_SECONDS = 5.0

CLUSTERS_PREFIX = "/k8s/clusters/"
AGENTS_PREFIX = "/agents/"


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
        "_authorization",
        "_bodies",
        "_body_ended",
        "_buffered",
        "_carrier",
        "_cluster",
        "_counted",
        "_desk",
        "_front",
        "_head_sent",
        "_headers",
        "_info",
        "_prefix",
        "_request",
        "_sent",
        "_started_at",
        "_status",
        "_stream",
        "_target",
        "_to",
        "deadline",
        "done",
        "grant",
        "is_long",
        "question",
        "request_id",
    )

    def __init__(self, desk: Desk, front: Front, request: Request, request_id: str) -> None:
        self._desk = desk
        self._front = front
        self._request = request
        self.request_id = request_id
        self._started_at = front.hub.now()
        self._cluster = ""
        self._prefix = ""
        self._target = ""
        self._to = "api"
        self._info = RequestInfo(verb="")
        self._headers: list[tuple[str, str]] = []
        self._authorization = ""
        self._carrier: CarrierHandle | None = None
        self._stream: Stream | None = None
        self._counted: tuple[str, str] | None = None
        self._bodies: list[bytes] = []
        self._body_ended = not request.has_body
        self._buffered = 0  # received from the carrier, not yet taken by the client
        self._head_sent = False
        self._status = 0
        self._sent = 0
        self.question: Question | None = None
        self.grant: Grant | None = None
        self.is_long = False
        self.deadline = 0.0
        self.done = False

    # The way in

    def start(self) -> "UserExchange | None":
        """Check, permit, open. None when the request is already answered."""
        try:
            self._check()
            desk = self._desk
            now = self._started_at
            if not self._authorization:
                raise Refused(UNAUTHENTICATED)
            key = GrantKey(self._authorization, self._cluster, self._to, self._info.acts)
            self.question = Question(
                key, self._request.method, self._target.partition("?")[0], self._front.remote
            )
            grant = desk.grants.cached(key, now)
            carrier = desk.carriers.pick(self._cluster)
            if grant is None or carrier is None:
                if self._request.has_body:
                    # Only then: a connection that is not read does not tell that it closed.
                    self._front.pause_reading("body")
                desk.spawn(self._ask_and_wait())
            else:
                self.grant = grant
                self._open(carrier)
        except Refused as refused:
            self._refuse(refused.refusal)
        except RequestRefused as refused:
            self._refuse_badly(Refusal(refused.status, refused.reason, refused.message))
        return None if self.done else self

    def _check(self) -> None:
        request = self._request
        target = request.target
        if target.startswith(CLUSTERS_PREFIX):
            rest = target[len(CLUSTERS_PREFIX) :]
        else:
            rest, self._to = target[len(AGENTS_PREFIX) :], "agent"
        path, mark, query = rest.partition("?")
        self._cluster, _, path = path.partition("/")
        self._prefix = target[: len(target) - len(rest)] + self._cluster
        self._target = f"/{path}{mark}{query}"
        check_method(request.method)
        check_target(self._target)
        self._headers, self._authorization = self._read_headers(request.headers)
        if request.upgrade:
            raise Refused(NO_UPGRADES)
        self._info = parse_request(request.method, self._target)
        self.is_long = self._info.is_long

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
        desk = self._desk
        try:
            assert self.question is not None  # noqa: S101
            if self.grant is None:
                self.grant = desk.grants.cached(self.question.key, self._started_at)
            if self.grant is None:
                wall = self._front.hub.wall()
                self.grant = await desk.grants.ask(self.question, wall)
            carrier = await desk.carriers.wait(self._cluster, AGENT_WAIT_SECONDS)
            if self.done:
                return
            if carrier is None:
                raise Refused(AGENT_AWAY)
            self._open(carrier)
        except Refused as refused:
            self._refuse(refused.refusal)

    def _open(self, carrier: CarrierHandle) -> None:
        grant = self.grant
        desk = self._desk
        if grant is None or self.done:
            return
        if not carrier.can_open:
            raise Refused(AGENT_BUSY)
        window = desk.first_window()
        if self._counted is None:
            person = (grant.person_id, self._cluster)
            desk.take_place(person)
            self._counted = person
            desk.opened(self)
        head_seconds = 0.0 if self.is_long or self._to == "agent" else HEAD_SECONDS
        head = OpenHead(
            method=self._request.method,
            target=self._target,
            headers=self._headers,
            assertion=grant.assertion,
            request_id=self.request_id,
            to=self._to,
            head_seconds=head_seconds,
            window=window if window != INITIAL_WINDOW else 0,
        )
        ended = self._body_ended and not self._bodies
        try:
            self._stream = carrier.open(head, ended, self, window)
        except TunnelError:
            raise Refused(
                Refusal(431, "RequestEntityTooLarge", "the request's head is too long")
            ) from None
        self._carrier = carrier
        if head_seconds:
            self.deadline = self._front.hub.now() + head_seconds + HEAD_GRACE_SECONDS
        if not ended:
            self._send_bodies()

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
        if self._head_sent or self._info.acts or self._request.has_body or not self.deadline:
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
        if not self.done and self._head_sent and self._info.verb == "watch":
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
        desk.counters.buffered_bytes -= self._buffered
        self._buffered = 0
        if self._counted is not None:
            desk.leave_place(self._counted)
            desk.closed(self)
        desk.counters.answers[f"{status // 100}xx"] += 1
        grant, info, hub = self.grant, self._info, self._front.hub
        desk.access_log.add(
            AccessLine(
                at=hub.wall(),
                request_id=self.request_id,
                remote=self._front.remote,
                cluster=self._cluster,
                method=self._request.method,
                path=self._target.partition("?")[0],
                status=status,
                seconds=round(hub.now() - self._started_at, 6),
                sent=self._sent,
                person=grant.person if grant else "",
                person_id=grant.person_id if grant else "",
                token_id=grant.token_id if grant else "",
                verb=info.verb,
                resource=f"{info.resource}/{info.subresource}".rstrip("/"),
                note=note,
            )
        )

    def _with_prefix(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]] | None:
        """Return the headers with Location under this cluster's prefix; None if it leaves it."""
        changed = []
        for name, value in headers:
            if name.lower() == "location":
                if not value.startswith("/") or value.startswith("//"):
                    return None
                value = self._prefix + value
            changed.append((name, value))
        return changed
