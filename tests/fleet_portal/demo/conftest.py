"""Objects of one simulated cluster, with a clock that tests turn."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from fleet_portal.demo.apiserver.kinds import BY_KIND, ResourceType
from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.server import ApiServer
from fleet_portal.demo.apiserver.store import Object, Store
from fleet_portal.demo.controllers.base import Context

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Now, until a test moves it on."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def objects(store: Store, clock: Clock) -> Objects:
    made = Objects(store, clock)
    made.create(kind("Namespace"), namespace("shop"), "test")
    return made


@pytest.fixture
def context(objects: Objects) -> "Recorder":
    return Recorder(objects)


class Recorder(Context):
    """A controllers' context that notes what asks to be looked at again."""

    def __init__(self, objects: Objects) -> None:
        self.asked: list[tuple[float, str, str]] = []
        addresses = iter(f"127.200.1.{number}" for number in range(1, 250))
        super().__init__(objects, self._note, lambda: next(addresses))

    def _note(self, seconds: float, resource: ResourceType, namespace: str, name: str) -> None:
        self.asked.append((seconds, resource.kind, name))


@pytest.fixture
async def server(objects: Objects) -> AsyncIterator[ApiServer]:
    made = ApiServer(objects.store, objects, lambda *_: None, None)
    await made.start()
    yield made
    await made.stop()


Ask = Callable[..., Any]


@pytest.fixture
async def ask(server: ApiServer) -> AsyncIterator[Ask]:
    """Send one request as administrator; return (status, JSON)."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:

        async def send(
            method: str, path: str, body: Any = None, token: str = "", **headers: str
        ) -> tuple[int, Any]:
            given = {"Authorization": f"Bearer {token or server.tokens.admin}"}
            given |= {key.replace("_", "-"): value for key, value in headers.items()}
            async with session.request(method, path, json=body, headers=given) as answer:
                return answer.status, await answer.json(content_type=None)

        yield send


def kind(name: str, group: str | None = None) -> ResourceType:
    return next(r for (g, k), r in BY_KIND.items() if k == name and group in (None, g))


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(name: str = "cfg", **data: str) -> Object:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def deployment(name: str = "web", image: str = "web:1", **spec: Any) -> Object:
    labels = {"app": name}
    container = {"name": name, "image": image, "ports": [{"containerPort": 8080}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            **spec,
        },
    }


def pod(name: str = "p", image: str = "p:1", **spec: Any) -> Object:
    container = {"name": "p", "image": image, "ports": [{"containerPort": 8080}]}
    metadata = {"name": name, "namespace": "shop", "labels": {"app": "web"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container], **spec},
    }


def node(name: str = "n1", cpu: str = "2", **labels: str) -> Object:
    size = {"cpu": cpu, "memory": "4Gi", "pods": "10"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {
            "allocatable": size,
            "capacity": size,
            "addresses": [{"type": "InternalIP", "address": "127.200.0.1"}],
        },
    }


def add_node(objects: Objects, **values: Any) -> Object:
    """Store a Node with its status."""
    wanted = node(**values)
    made = objects.create(kind("Node"), wanted, "kubelet")
    whole = {**made, "status": wanted["status"]}
    return objects.update(kind("Node"), whole, "kubelet", subresource="status")


def running(objects: Objects, made: Object, address: str = "127.200.1.1") -> Object:
    """Make a stored Pod ready, at an address."""
    placed = {**made, "spec": {**made["spec"], "nodeName": "n1"}}
    objects.store.put(kind("Pod"), placed)
    live = objects.live(kind("Pod"), "shop", made["metadata"]["name"])
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": objects.now()}
    status = {"phase": "Running", "podIP": address, "conditions": [ready]}
    return objects.update(kind("Pod"), {**live, "status": status}, "kubelet", subresource="status")
