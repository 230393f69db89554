"""The browser's socket: one LiveConsumer per open page.

Handlers only mark fragments dirty. One task per page flushes them: at most two flushes a
second, one frame per fragment, and each rendering is shared by all pages of one process that
have the same scope and language (`RenderShare`). Everything is sent on connect and once a
minute, because the layer drops messages when a queue is full and says nothing.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.core import signing
from django.utils import translation

from fleet_portal.common.access import Access, access_of
from fleet_portal.common.live.fragments import matches, read_page, registry
from fleet_portal.common.live.topics import group_of

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.25
BETWEEN_FLUSHES_SECONDS = 0.5
RESYNC_SECONDS = 60.0
CLOSE_BAD_PAGE = 4400
CLOSE_NOT_LOGGED_IN = 4401


class RenderShare:
    """Render a fragment once per (fragment, key, scope, language) and change.

    A change counts a version up; a rendering in flight is awaited by all who want that version.
    """

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}
        self._running: dict[tuple[Any, ...], asyncio.Future[str]] = {}

    def changed(self, kind: str) -> None:
        self._versions[kind] = self._versions.get(kind, 0) + 1

    async def get(
        self, identity: tuple[Any, ...], kinds: list[str], render: Callable[[], Awaitable[str]]
    ) -> str:
        loop = asyncio.get_running_loop()
        versions = tuple(self._versions.get(kind, 0) for kind in kinds)
        key = (id(loop), *identity, versions)
        running = self._running.get(key)
        if running is None:
            running = loop.create_task(self._run(key, render))
            self._running[key] = running
        return await asyncio.shield(running)

    async def _run(self, key: tuple[Any, ...], render: Callable[[], Awaitable[str]]) -> str:
        try:
            return await render()
        finally:
            # Kept for one flush interval only: rows may change without a hint.
            asyncio.get_running_loop().call_later(
                BETWEEN_FLUSHES_SECONDS, self._running.pop, key, None
            )


share = RenderShare()


def next_resync(now: float) -> float:
    """Return when all pages of this process are sent everything again.

    At the same moments for all, so that they share the drawings: fifty lists of fifty rows, each
    at a moment of its own, took a core for eight seconds of each minute.
    """
    return (now // RESYNC_SECONDS + 1) * RESYNC_SECONDS


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """URL: `/ws/live/?page=<signed list of fragments>`."""

    async def connect(self) -> None:
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            await self.accept()
            await self.close(CLOSE_NOT_LOGGED_IN)
            return
        try:
            self.page = self._read_page()
        except (signing.BadSignature, ValueError):
            await self.accept()
            await self.close(CLOSE_BAD_PAGE)
            return
        self.user = user
        self.language = self.scope.get("language", "en")
        self.dirty: dict[tuple[str, str], None] = dict.fromkeys(self.page)
        self.wake = asyncio.Event()
        self.wake.set()
        await self.accept()
        for kind in self._kinds():
            await self.channel_layer.group_add(group_of(kind), self.channel_name)
        self.flusher = asyncio.create_task(self._flush_loop())

    def _read_page(self) -> list[tuple[str, str]]:
        query = self.scope["query_string"].decode("ascii", "replace")
        token = dict(part.partition("=")[::2] for part in query.split("&")).get("page", "")
        return [(name, key) for name, key in read_page(token) if name in registry]

    def _kinds(self) -> list[str]:
        topics = [topic for name, key in self.page for topic in registry[name].topics(key)]
        return sorted({topic.partition(":")[0] for topic in topics})

    async def disconnect(self, code: int) -> None:
        if not hasattr(self, "flusher"):
            return
        self.flusher.cancel()
        for kind in self._kinds():
            await self.channel_layer.group_discard(group_of(kind), self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer `{"resync": true}` with every fragment; anything else is ignored."""
        try:
            wanted = json.loads(text_data or "{}")
        except ValueError:
            return
        if isinstance(wanted, dict) and wanted.get("resync"):
            self._mark(dict.fromkeys(self.page))

    async def live_changed(self, event: dict[str, Any]) -> None:
        share.changed(event["kind"])
        hit = [
            (name, key)
            for name, key in self.page
            if matches(registry[name].topics(key), event["kind"], event["keys"])
        ]
        if hit:
            self._mark(dict.fromkeys(hit))

    def _mark(self, fragments: dict[tuple[str, str], None]) -> None:
        self.dirty |= fragments
        self.wake.set()

    async def _flush_loop(self) -> None:
        resync_at = next_resync(time.monotonic())
        while True:
            try:
                await asyncio.wait_for(self.wake.wait(), max(0.0, resync_at - time.monotonic()))
            except TimeoutError:
                self.dirty = dict.fromkeys(self.page)
                resync_at = next_resync(time.monotonic())
            self.wake.clear()
            await asyncio.sleep(FLUSH_SECONDS)
            dirty, self.dirty = self.dirty, {}
            try:
                await self._send_all(list(dirty))
            except asyncio.CancelledError:
                raise
            except Exception:  # the edge of a page: it polls when the socket is closed
                logger.exception("a live page could not be drawn")
                await self.close(1011)
                return
            await asyncio.sleep(BETWEEN_FLUSHES_SECONDS - FLUSH_SECONDS)

    async def _send_all(self, fragments: list[tuple[str, str]]) -> None:
        access = await database_sync_to_async(self._access_now)()
        if access is None:
            await self.close(CLOSE_NOT_LOGGED_IN)
            return
        for name, key in fragments:
            await self.send(text_data=await self._drawn(access, name, key))

    def _access_now(self) -> Access | None:
        """Return the rights as the rows give them now; None when the account was disabled."""
        self.user.refresh_from_db(fields=["is_active", "is_superuser"])
        return access_of(self.user) if self.user.is_active else None

    async def _drawn(self, access: Access, name: str, key: str) -> str:
        fragment = registry[name]
        viewer = ("user", access.user_id) if fragment.personal else ("scope", access.scope)
        kinds = [topic.partition(":")[0] for topic in fragment.topics(key)]

        def draw() -> str:
            with translation.override(self.language):
                return fragment.render(access, key, out_of_band=True)

        async def render() -> str:
            return str(await database_sync_to_async(draw)())

        return await share.get((name, key, viewer, self.language), kinds, render)
