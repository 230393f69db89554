"""`/healthz`, `/readyz` and `/metrics` of a role that serves no pages: a small HTTP server.

Ready means that each loop's last success is younger than a few of its turns.
"""

import http.server
import logging
import threading
import time
from collections.abc import Sequence

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from fleet_portal.common.loop import Loop

logger = logging.getLogger(__name__)

TURNS_UNTIL_LATE = 5
LEAST_SECONDS = 30.0


def late_loops(loops: Sequence[Loop], now: float) -> list[str]:
    """Return the names of loops without a success for five turns (30 s at least).

    `now` and `Loop.last_success` are seconds since the epoch; a loop that never succeeded is late.
    """
    return [
        loop.name
        for loop in loops
        if now - loop.last_success > max(LEAST_SECONDS, TURNS_UNTIL_LATE * loop.every_seconds)
    ]


class HealthServer:
    """Serves one role's health on `host:port` until `stop()`."""

    def __init__(self, listen: str, loops: Sequence[Loop]) -> None:
        host, _, port = listen.rpartition(":")
        handler = type("Handler", (_Handler,), {"loops": loops})
        self._server = http.server.ThreadingHTTPServer((host, int(port)), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.server_address[:2]
        return str(host), port

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    loops: Sequence[Loop] = ()

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, b"ok")
        elif self.path == "/readyz":
            late = late_loops(self.loops, time.time())
            words = f"late: {', '.join(late)}" if late else "ok"
            self._answer(503 if late else 200, words.encode())
        elif self.path == "/metrics":
            self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
        else:
            self._answer(404, b"not found")

    def _answer(self, status: int, body: bytes, content_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        logger.debug(format, *args)
