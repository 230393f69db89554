"""The cache of what is there, and how well it is seen."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from clusters.agent.kube import ApiInvalid, ApiUnreachable
from clusters.domain.objects import ObjectId
from deployments.agent.watcher import Scope, Sight, Watcher, is_after, scope_of
from deployments.domain.ownership import Owner, stamp
from tests.deployments.agent.conftest import config_map
from tests.deployments.agent.fake_kube import FakeKube

SCOPE = Scope("v1", "ConfigMap", "app")
IDENTITY = ObjectId("", "ConfigMap", "app", "settings")


class Notes:
    """Collects what the watcher says, and lets tests wait for it."""

    def __init__(self, kube: FakeKube) -> None:
        self.changed: list[ObjectId] = []
        self._news = asyncio.Event()
        self.watcher = Watcher(kube, "shop", self._on_change, self._on_sight)

    def _on_change(self, identity: ObjectId) -> None:
        self.changed.append(identity)
        self._news.set()

    def _on_sight(self, scope: Scope) -> None:
        self._news.set()

    async def until_sight(self, sight: Sight) -> str:
        async with asyncio.timeout(5):
            while self.watcher.sight(SCOPE)[0] is not sight:
                self._news.clear()
                await self._news.wait()
        return self.watcher.sight(SCOPE)[1]

    async def until_changed(self, times: int) -> None:
        async with asyncio.timeout(5):
            while len(self.changed) < times:
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def notes(kube: FakeKube) -> AsyncIterator[Notes]:
    made = Notes(kube)
    yield made
    await made.watcher.close()


def ours(colour: str = "red") -> dict[str, object]:
    return stamp(config_map(colour=colour), Owner("shop", "web"), 1)


async def test_what_is_there_is_known_once_settled(kube: FakeKube, notes: Notes) -> None:
    await kube.create(ours())
    notes.watcher.look_at([SCOPE])
    await notes.watcher.settled([SCOPE])
    found = notes.watcher.find(SCOPE, "settings")
    assert found is not None
    assert found["data"] == {"colour": "red"}
    assert notes.watcher.sight(SCOPE) == (Sight.WATCHING, "")


async def test_events_change_the_cache(kube: FakeKube, notes: Notes) -> None:
    notes.watcher.look_at([SCOPE])
    await notes.watcher.settled([SCOPE])
    await kube.create(ours())
    await notes.until_changed(1)
    assert notes.watcher.find(SCOPE, "settings") is not None
    await kube.remove("ConfigMap", "settings")
    await notes.until_changed(2)
    assert notes.watcher.find(SCOPE, "settings") is None
    assert notes.changed == [IDENTITY, IDENTITY]


async def test_of_what_is_not_ours_only_a_mark_is_kept(kube: FakeKube, notes: Notes) -> None:
    await kube.create(config_map(secret="theirs"))
    notes.watcher.look_at([SCOPE])
    await notes.watcher.settled([SCOPE])
    found = notes.watcher.find(SCOPE, "settings")
    assert found is not None
    assert set(found) == {"metadata"}


async def test_an_answer_is_taken_over_at_once(kube: FakeKube, notes: Notes) -> None:
    notes.watcher.look_at([SCOPE])
    await notes.watcher.settled([SCOPE])
    notes.watcher.put(SCOPE, {"metadata": {"name": "settings", "resourceVersion": "9"}})
    assert notes.watcher.find(SCOPE, "settings") is not None


async def test_an_answer_that_the_watch_has_passed_is_too_late(
    kube: FakeKube, notes: Notes
) -> None:
    notes.watcher.look_at([SCOPE])
    await notes.watcher.settled([SCOPE])
    answer = await kube.create(ours())
    await kube.remove("ConfigMap", "settings")
    await notes.until_changed(2)
    notes.watcher.put(SCOPE, answer)
    assert notes.watcher.find(SCOPE, "settings") is None


async def test_an_event_older_than_an_answer_is_passed_over(kube: FakeKube, notes: Notes) -> None:
    notes.watcher.look_at([SCOPE])
    await notes.watcher.settled([SCOPE])
    newer = {"metadata": {"name": "settings", "resourceVersion": "99"}, "data": {"colour": "new"}}
    notes.watcher.put(SCOPE, newer)
    await kube.create(ours("old"))
    await kube.create({**config_map("other"), "metadata": {"name": "other", "namespace": "app"}})
    await notes.until_changed(1)
    assert notes.watcher.find(SCOPE, "settings") == newer


async def test_a_refused_kind_is_told_in_the_clusters_words(kube: FakeKube, notes: Notes) -> None:
    kube.refuse("list", "ConfigMap", "you cannot list")
    notes.watcher.look_at([SCOPE])
    assert await notes.until_sight(Sight.REFUSED) == "you cannot list"


async def test_where_watching_is_refused_the_list_serves(kube: FakeKube, notes: Notes) -> None:
    await kube.create(ours())
    kube.refuse("watch", "ConfigMap", "you cannot watch")
    notes.watcher.look_at([SCOPE])
    assert await notes.until_sight(Sight.LISTING) == "you cannot watch"
    assert notes.watcher.find(SCOPE, "settings") is not None


async def test_a_kind_without_list_counts_as_refused(kube: FakeKube, notes: Notes) -> None:
    kube.refusals["list", "ConfigMap"] = ApiInvalid("method not allowed", status=405)
    notes.watcher.look_at([SCOPE])
    assert await notes.until_sight(Sight.REFUSED) == "method not allowed"


async def test_a_kind_that_is_not_served_is_seen_as_absent(kube: FakeKube, notes: Notes) -> None:
    kube.unknown_kinds.add("ConfigMap")
    notes.watcher.look_at([SCOPE])
    assert "serves no ConfigMap" in await notes.until_sight(Sight.NO_KIND)


async def test_a_kind_that_comes_is_looked_at_when_told(kube: FakeKube, notes: Notes) -> None:
    kube.unknown_kinds.add("ConfigMap")
    notes.watcher.look_at([SCOPE])
    await notes.until_sight(Sight.NO_KIND)
    kube.unknown_kinds.clear()
    notes.watcher.try_again("")
    await notes.until_sight(Sight.WATCHING)


async def test_an_api_that_is_away_leaves_the_cache_as_it_was(kube: FakeKube, notes: Notes) -> None:
    await kube.create(ours())
    notes.watcher.look_at([SCOPE])
    await notes.until_sight(Sight.WATCHING)
    for verb in ("list", "watch"):
        kube.refusals[verb, "ConfigMap"] = ApiUnreachable("away")
    await kube.end_watches()
    await notes.until_sight(Sight.STALE)
    assert notes.watcher.find(SCOPE, "settings") is not None


async def test_scopes_that_are_wanted_no_more_are_let_go(kube: FakeKube, notes: Notes) -> None:
    notes.watcher.look_at([SCOPE])
    await notes.watcher.settled([SCOPE])
    notes.watcher.look_at([])
    assert notes.watcher.sight(SCOPE) == (Sight.STARTING, "")


def test_a_scope_is_kind_and_namespace() -> None:
    assert scope_of(config_map()) == SCOPE


@pytest.mark.parametrize(
    ("version", "other", "after"),
    [("10", "9", True), ("9", "10", False), ("9", "9", False), ("b", "a", True), ("a", "a", False)],
)
def test_versions_are_compared_as_numbers(version: str, other: str, after: bool) -> None:
    assert is_after(version, other) is after
