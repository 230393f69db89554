"""A stand-in for a cluster's Prometheus: it answers exactly the portal's own queries.

It scrapes the cluster's Envoy each second. Any other query gets an error, so that the two can't
drift apart unnoticed.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import aiohttp
from aiohttp import web

from fleet_portal.demo.traffic.counters import FILTER, Edge, History, read_sample
from mesh.domain import queries

SCRAPE_SECONDS = 1.0
_WINDOW = re.compile(r"\[(\d+)s\]")


class Prometheus:
    """One stand-in, for the Envoy with this admin address."""

    def __init__(self, source: str, admin: str, cluster_of_zone: dict[str, str]) -> None:
        self._source, self._admin = source, admin
        self._cluster_of_zone = cluster_of_zone
        self._history = History()
        self._up = 0.0
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        app = web.Application()
        app.router.add_route("*", "/api/v1/query", self._query)
        app.router.add_get("/-/ready", _ready)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def run(self) -> None:
        """Scrape until cancelled, then stop serving."""
        params = {"format": "json", "usedonly": "", "histogram_buckets": "cumulative",
                  "filter": FILTER}  # fmt: skip
        timeout = aiohttp.ClientTimeout(total=SCRAPE_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session:
                while True:
                    await self._scrape(session, params)
                    await asyncio.sleep(SCRAPE_SECONDS)
        finally:
            if self._runner is not None:
                await self._runner.cleanup()

    async def _scrape(self, session: aiohttp.ClientSession, params: dict[str, str]) -> None:
        try:
            async with session.get(f"{self._admin}/stats", params=params) as answer:
                stats = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            self._up = 0.0
            return
        self._up = 1.0
        sample = read_sample(stats, self._source, self._cluster_of_zone, time.time())
        self._history.add(sample)

    async def _query(self, request: web.Request) -> web.Response:
        form = await request.post() if request.method == "POST" else request.query
        text = str(form.get("query", ""))
        now = float(str(form.get("time") or time.time()))
        vector = self.answer(text, now)
        if vector is None:
            error = f"this stand-in does not know the query {text!r}"
            body = {"status": "error", "errorType": "bad_data", "error": error}
            return web.json_response(body, status=400)
        data = {"resultType": "vector", "result": vector}
        return web.json_response({"status": "success", "data": data})

    def answer(self, text: str, now: float) -> list[dict[str, Any]] | None:
        """Return the vector of a query, None for one that is not the portal's."""
        newest = self._history.newest
        if text == queries.FRESHNESS:
            return [_value({}, now, newest.at)] if newest else []
        if text == queries.SCRAPED_SHARE:
            return [_value({}, now, self._up)]
        found = _WINDOW.search(text)
        window = int(found[1]) if found else 0
        if window and text == queries.requests(window):
            return _vector(self._history.rates("requests", window, now), now)
        if window and text == queries.latency_buckets(window):
            return _vector(self._history.rates("buckets", window, now), now)
        return None


async def _ready(_request: web.Request) -> web.Response:
    return web.Response(text="ready\n")


def _vector(rates: dict[Edge, float], now: float) -> list[dict[str, Any]]:
    return [
        _value(edge.labels(), now, rate)
        for edge, rate in rates.items()
        if re.fullmatch(r".+[.]fleet[.]local", edge.service)
    ]


def _value(metric: dict[str, str], now: float, value: float) -> dict[str, Any]:
    return {"metric": metric, "value": [now, f"{value:.6g}" if value < 1e6 else str(value)]}
