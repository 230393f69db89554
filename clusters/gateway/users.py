"""Requests to a cluster: `/k8s/clusters/<name>/…` for people and the portal, `/agents/<name>/…`
for the portal alone (the agent's own endpoints).

A request is checked by the rules of `tunnel/requests.py`, permitted by a grant of the web role,
and becomes one stream of the cluster's carrier; bodies flow both ways under the stream's credit.
Before the answer's head was sent a failure is a metav1.Status; after it, the connection is reset.
"""

import asyncio
from typing import Any, Protocol

from clusters.gateway.counters import AccessLine, AccessLog, Counters
from clusters.gateway.grants import Grant, GrantKey, Grants, Question
from clusters.gateway.server import Front, Request
from clusters.gateway.statuses import (
    AGENT_AWAY,
    AGENT_BUSY,
    AGENT_LOST,
    MEMORY_SHORT,
    NO_UPGRADES,
    TOO_MANY_STREAMS,
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
from clusters.tunnel.session import INITIAL_WINDOW, SMALL_WINDOW, Stream

AGENT_WAIT_SECONDS = 5.0
HEAD_SECONDS = 65.0  # kube-apiserver itself gives up at 60 s
# The gateway's own bound, should the agent not keep the one above.
HEAD_GRACE_SECONDS = 5.0

CLUSTERS_PREFIX = "/k8s/clusters/"
AGENTS_PREFIX = "/agents/"


class CarrierHandle(Protocol):
    """A cluster's carrier, as a request sees it."""

    cluster: str

    @property
    def can_open(self) -> bool:
        """Whether one more stream fits."""

    def open(self, head: OpenHead, end: bool, owner: Any, window: int) -> Stream:
        """Open a stream whose events go to `owner`."""

    def send_data(self, stream: Stream, data: Payload, end: bool) -> bool:
        """Send bytes of the request's body; False asks to pause."""

    def consumed(self, stream: Stream, count: int) -> None:
        """Give credit back."""

    def reset(self, stream: Stream, code: int) -> None:
        """Cut the stream."""


class Carriers(Protocol):
    """Where carriers are found."""

    def pick(self, cluster: str) -> Any:
        """Return a carrier that speaks, or None."""

    async def wait(self, cluster: str, seconds: float) -> Any:
        """Return one as soon as there is one."""


class Desk:
    """What all requests to clusters share: limits, grants, carriers, the log."""

    def __init__(
        self,
        grants: Grants,
        carriers: Carriers,
        counters: Counters,
        access_log: AccessLog,
        streams_per_person: int,
        memory_bytes: int,
    ) -> None:
        self.grants = grants
        self.carriers = carriers
        self.counters = counters
        self.access_log = access_log
        self.streams_per_person = streams_per_person
        self.memory_bytes = memory_bytes
        self.open: set[UserExchange] = set()
        self._per_person: dict[tuple[str, str], int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: asyncio.Future[None] | None = None

    def opened(self, exchange: "UserExchange") -> None:
        """Count a request that has its place."""
        self.open.add(exchange)
        self.counters.streams += 1

    def closed(self, exchange: "UserExchange") -> None:
        """Undo `opened`."""
        self.open.discard(exchange)
        self.counters.streams -= 1
        if not self.open and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def take_place(self, person: tuple[str, str]) -> None:
        """Count one more stream of a person on a cluster. Raises Refused at the limit."""
        count = self._per_person.get(person, 0)
        if count >= self.streams_per_person:
            raise Refused(TOO_MANY_STREAMS)
        self._per_person[person] = count + 1

    def leave_place(self, person: tuple[str, str]) -> None:
        """Undo `take_place`."""
        count = self._per_person.get(person, 0) - 1
        if count > 0:
            self._per_person[person] = count
        else:
            self._per_person.pop(person, None)

    def first_window(self) -> int:
        """Return a new stream's first credit. Raises Refused when memory is nearly used up."""
        used = self.counters.buffered_bytes / self.memory_bytes
        if used > 0.9:
            raise Refused(MEMORY_SHORT)
        return SMALL_WINDOW if used > 0.7 else INITIAL_WINDOW

    async def idle(self, seconds: float) -> None:
        """Return when no request is open, after `seconds` at the latest."""
        if self.open:
            self._idle = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._idle], timeout=seconds)

    def spawn(self, work: Any) -> None:
        """Run a coroutine whose end nobody waits for."""
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def recheck(self, exchanges: "list[UserExchange]", wall: float) -> None:
        """Ask again who may keep these streams; cut those whose right is gone."""
        for exchange in exchanges:
            question = exchange.question
            if question is None or exchange.done:
                continue
            try:
                now = asyncio.get_running_loop().time()
                grant = self.grants.cached(question.key, now)
                exchange.grant = grant or await self.grants.ask(question, wall)
            except Refused as refused:
                # 503: the link is away. Rights were not taken away; nobody could say so.
                if refused.refusal.status not in (429, 500, 503):
                    exchange.cut(ResetCode.REVOKED, refused.refusal)


class UserExchange:
    """One request to a cluster, from its head to its last byte."""

    __slots__ = (
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
            key = GrantKey(self._authorization(), self._cluster, self._to, self._info.acts)
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
        self._headers = request_headers(request.headers)
        if request.upgrade:
            raise Refused(NO_UPGRADES)
        self._info = parse_request(request.method, self._target)
        self.is_long = self._info.is_long

    def _authorization(self) -> str:
        value = ""
        for name, content in self._request.headers:
            if len(name) == 13 and name.lower() == b"authorization":
                if value:
                    raise RequestRefused(400, "BadRequest", "two Authorization headers")
                value = content.decode("latin-1")
        if not value:
            raise Refused(UNAUTHENTICATED)
        return value

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
