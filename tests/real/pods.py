"""Answers on the addresses of simulated Pods: one small HTTP server per Pod address and port.

Works inside the tests' network namespace only (`netns.py`). A stopped server refuses new
connections and resets open ones, as a dead Pod does.
"""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.real.api import Api

if TYPE_CHECKING:
    from tests.real.launcher import ControlPlane


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Response:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


_RETRY_SECONDS = 0.2

Handler = Callable[[Request], Response]


def says(**facts: object) -> Handler:
    """Return a handler that answers every request with these facts as JSON."""
    body = json.dumps(facts).encode()
    return lambda request: Response(body=body, headers={"Content-Type": "application/json"})


class PodServer:
    """One server; `requests` counts what it was asked."""

    def __init__(self, address: str, port: int, handler: Handler) -> None:
        self.address, self.port = address, port
        self.requests = 0
        self._handler = handler
        self._server = _Server((address, port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.daemon = True
        self._thread.start()

    def answer(self, request: Request) -> Response:
        self.requests += 1
        return self._handler(request)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.open):
            # The handler's own thread may have closed it between the two lines.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def __enter__(self) -> "PodServer":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def serve_pod(pod_ip: str, port: int, handler: Handler) -> PodServer:
    """Serve HTTP on a Pod's own address until `stop()`; also a context manager."""
    return PodServer(pod_ip, port, handler)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], pod: PodServer) -> None:
        self.pod = pod
        self.open: set[socket.socket] = set()
        super().__init__(address, _RequestHandler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that vanish are what these tests are about."""


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, self.path, self.headers, self.rfile.read(length))
        response = self.server.pod.answer(request)
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on stderr."""


class ServedPods:
    """Serves every Running Pod of a namespace that has the labels, as long as the Pod lives.

    Follows a watch: a Pod that is deleted or being deleted stops answering. `answer(pod)` makes
    each Pod's handler; by default it says cluster, region, Pod and version label.
    """

    def __init__(
        self,
        plane: "ControlPlane",
        namespace: str,
        labels: str,
        port: int,
        answer: Callable[[dict[str, Any]], Handler] | None = None,
    ) -> None:
        self._plane = plane
        self._api = Api(plane.port, plane.ca, plane.api.token)
        self._path = f"/api/v1/namespaces/{namespace}/pods?labelSelector={labels}"
        self._port = port
        self._answer = answer or self._default_answer
        self._servers: dict[str, PodServer] = {}
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    @property
    def servers(self) -> dict[str, PodServer]:
        """Pod name -> its server."""
        with self._changed:
            return dict(self._servers)

    def wait_for(self, count: int, deadline_seconds: float = 30) -> None:
        """Wait until exactly so many Pods are served."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._servers) == count, deadline_seconds):
                raise AssertionError(f"{len(self._servers)} Pods are served, not {count}")

    def stop(self) -> None:
        self._stopped.set()
        self._sync([])
        self._api.stop_watching()
        self._thread.join()

    def __enter__(self) -> "ServedPods":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _follow(self) -> None:
        while not self._stopped.is_set():
            # The API server may be down: that is a case some tests make on purpose.
            with contextlib.suppress(OSError, http.client.HTTPException):
                for pods in self._api.snapshots(self._path):
                    self._sync(pods)
                    if self._stopped.is_set():
                        return
            self._stopped.wait(_RETRY_SECONDS)

    def _sync(self, pods: list[dict[str, Any]]) -> None:
        alive = {pod["metadata"]["name"]: pod for pod in pods if _serves(pod)}
        with self._changed:
            if self._stopped.is_set():
                alive = {}
            for name in self._servers.keys() - alive.keys():
                self._servers.pop(name).stop()
            for name in alive.keys() - self._servers.keys():
                address = alive[name]["status"]["podIP"]
                self._servers[name] = serve_pod(address, self._port, self._answer(alive[name]))
            self._changed.notify_all()

    def _default_answer(self, pod: dict[str, Any]) -> Handler:
        metadata = pod["metadata"]
        return says(
            cluster=self._plane.name,
            region=self._plane.region,
            pod=metadata["name"],
            version=metadata.get("labels", {}).get("version", ""),
        )


def _serves(pod: dict[str, Any]) -> bool:
    status = pod.get("status", {})
    gone = "deletionTimestamp" in pod["metadata"]
    return status.get("phase") == "Running" and bool(status.get("podIP")) and not gone
