"""What all requests to clusters share: their limits, their grants, the way to carriers, the log."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from clusters.gateway.counters import AccessLog, Counters
from clusters.gateway.grants import Grant, Grants, Question, matches
from clusters.gateway.statuses import MEMORY_SHORT, TOO_MANY_STREAMS, Refusal, Refused
from clusters.tunnel.events import Stream
from clusters.tunnel.frames import OpenHead, Payload, ResetCode
from clusters.tunnel.session import INITIAL_WINDOW, SMALL_WINDOW

# Answers of the web role that say nothing about a right: it is away, busy or broken.
_SAYS_NOTHING = frozenset({429, 500, 503})


Person = tuple[str, str]  # whose id, on which cluster


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


class OpenRequest(Protocol):
    """A request that has its place here."""

    done: bool
    deadline: float
    grant: Grant | None

    @property
    def question(self) -> Question | None:
        """What the web role is to be asked about it."""

    def cut(self, code: ResetCode, refusal: Refusal) -> None:
        """End it, whatever its client has got so far."""

    def end_watch(self) -> None:
        """End it cleanly if it is a watch."""


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
        self.open: set[OpenRequest] = set()
        self._per_person: dict[Person, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: asyncio.Future[None] | None = None

    def opened(self, request: OpenRequest, person: Person) -> None:
        """Give a request one of its person's places on a cluster. Raises Refused without one."""
        count = self._per_person.get(person, 0)
        if count >= self.streams_per_person:
            raise Refused(TOO_MANY_STREAMS)
        self._per_person[person] = count + 1
        self.open.add(request)
        self.counters.streams += 1

    def closed(self, request: OpenRequest, person: Person) -> None:
        """Undo `opened`."""
        if request not in self.open:
            return
        self.open.discard(request)
        self.counters.streams -= 1
        count = self._per_person[person] - 1
        if count:
            self._per_person[person] = count
        else:
            del self._per_person[person]
        if not self.open and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

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

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine whose end nobody waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def open_of(self, cluster: str | None, person_id: str | None) -> list[OpenRequest]:
        """Return the open requests of that cluster and person; None means any."""
        return [
            request
            for request in self.open
            if request.grant is not None
            and request.question is not None
            and matches(request.question.key.cluster, request.grant.person_id, cluster, person_id)
        ]

    async def recheck(self, exchanges: list[OpenRequest], wall: float) -> None:
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
                if refused.refusal.status not in _SAYS_NOTHING:
                    exchange.cut(ResetCode.REVOKED, refused.refusal)
