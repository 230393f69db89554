"""What the web role said about who may reach which cluster, kept for as long as it allowed.

A grant holds for one credential, one cluster, one kind of target ("api" or "agent") and for
reading or acting; a change of rights flushes it. Questions asked at the same time are asked once.
Without the link, cached grants serve on to their own end and new ones are refused with 503.
"""

import asyncio
import logging
from typing import NamedTuple

import msgspec

from clusters.gateway.statuses import PORTAL_AWAY, UNAUTHENTICATED, Refusal, Refused
from clusters.link import Body, LinkClient, LinkDown, LinkRefused

log = logging.getLogger(__name__)

GRANTS_MAX = 20_000
# The agent's clock may run ahead: an assertion is not used in its last seconds.
ASSERTION_MARGIN_SECONDS = 20.0


class GrantKey(NamedTuple):
    """What a grant was given for."""

    authorization: str
    cluster: str
    to: str
    acts: bool


class Grant(msgspec.Struct, frozen=True):
    """A permission with the assertion that proves it to the agent; `until` in loop time."""

    assertion: str
    person: str
    person_id: str
    token_id: str
    cluster_uid: str
    until: float


class Question(NamedTuple):
    """The request that needs a grant."""

    key: GrantKey
    method: str
    path: str
    remote: str


class Grants:
    """The cache in front of the link's `authorize`."""

    def __init__(self, link: LinkClient) -> None:
        self._link = link
        self._grants: dict[GrantKey, Grant] = {}
        self._asking: dict[GrantKey, asyncio.Task[Grant]] = {}
        self._generation = 0

    def cached(self, key: GrantKey, now: float) -> Grant | None:
        """Return the grant if it still holds."""
        grant = self._grants.get(key)
        return grant if grant is not None and grant.until > now else None

    async def ask(self, question: Question, wall: float) -> Grant:
        """Return a fresh grant; raises Refused. `wall` is the time of day."""
        task = self._asking.get(question.key)
        if task is None:
            task = asyncio.create_task(self._ask(question, wall))
            self._asking[question.key] = task
            task.add_done_callback(lambda _: self._asking.pop(question.key, None))
        return await asyncio.shield(task)

    def flush(self, cluster: str | None, person_id: str | None) -> None:
        """Forget grants of that cluster or person; of everybody when both are None."""
        self._generation += 1
        self._grants = {
            key: grant
            for key, grant in self._grants.items()
            if not matches(key.cluster, grant.person_id, cluster, person_id)
        }

    def sweep(self, now: float) -> None:
        """Drop what has ended."""
        if any(grant.until <= now for grant in self._grants.values()):
            self._grants = {k: grant for k, grant in self._grants.items() if grant.until > now}

    async def _ask(self, question: Question, wall: float) -> Grant:
        while True:
            generation = self._generation
            grant = await self._ask_link(question, wall)
            # A flush that came while the answer was on its way may have meant this very grant.
            if generation == self._generation:
                break
        if len(self._grants) < GRANTS_MAX:
            self._grants[question.key] = grant
        return grant

    async def _ask_link(self, question: Question, wall: float) -> Grant:
        try:
            answer = await self._link.ask("authorize", _body(question))
        except LinkDown:
            raise Refused(PORTAL_AWAY) from None
        except LinkRefused as refused:
            raise Refused(refusal_of_link(refused)) from None
        try:
            return _grant(answer, wall, asyncio.get_running_loop().time())
        except (KeyError, TypeError, ValueError):
            log.exception("the web role's answer to `authorize` does not read")
            raise Refused(PORTAL_AWAY) from None


def _grant(answer: Body, wall: float, now: float) -> Grant:
    life = min(
        float(answer["cache_seconds"]),
        float(answer["expires_at"]) - wall - ASSERTION_MARGIN_SECONDS,
    )
    return Grant(
        assertion=answer["assertion"],
        person=answer["person"],
        person_id=str(answer["person_id"]),
        token_id=str(answer["token_id"]),
        cluster_uid=answer["cluster_uid"],
        until=now + life,
    )


def matches(
    cluster: str, person_id: str, only_cluster: str | None, only_person_id: str | None
) -> bool:
    """Whether a flush of (only_cluster, only_person_id) means this cluster and person."""
    return (only_cluster is None or cluster == only_cluster) and (
        only_person_id is None or person_id == only_person_id
    )


def refusal_of_link(refused: LinkRefused) -> Refusal:
    """Return the answer to a client whose request the web role refused."""
    headers = UNAUTHENTICATED.headers if refused.status == 401 else ()
    return Refusal(refused.status, refused.reason, refused.message, headers)


def _body(question: Question) -> Body:
    key = question.key
    return {
        "authorization": key.authorization,
        "cluster": key.cluster,
        "to": key.to,
        "write": key.acts,
        "method": question.method,
        "path": question.path,
        "remote": question.remote,
    }
