"""What the tests of the agent's deployments part share: a fake cluster, a bus, a keyring."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import jwt
import pytest

from clusters.domain.objects import canonical_json, digest_of, ref_of
from deployments.agent.applier import Applier
from tests.deployments.agent.fake_kube import FakeKube

UID = "cluster-1"
SECRET = "a key that only signs in tests, 32 bytes long"


class FakeBus:
    """Keeps every report; tests wait for the one they want."""

    def __init__(self) -> None:
        self.latest: dict[tuple[str, str], dict[str, Any]] = {}
        self.count = 0
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def publish(self, kind: str, key: str, report: dict[str, Any]) -> None:
        self.latest[kind, key] = report
        self.count += 1
        task = asyncio.ensure_future(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def row(
        self, holds: Callable[[dict[str, Any]], bool], application: str = "web"
    ) -> dict[str, Any]:
        """Return the row of an application as soon as it is as wanted."""

        def found() -> dict[str, Any] | None:
            rows = self.latest.get(("targets", "shop"), {}).get("rows", [])
            named = [row for row in rows if row["application"] == application]
            return next((row for row in named if holds(row)), None)

        row: dict[str, Any] = await self.until(found)
        return row

    async def until(self, found: Callable[[], Any]) -> Any:
        """Return what `found` returns as soon as it is true; looked at after each report."""
        async with asyncio.timeout(5), self._news:
            while not (value := found()):
                await self._news.wait()
            return value

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


class FakeKeyring:
    """Verifies what `sign` signs."""

    def verify(self, token: str, typ: str) -> Mapping[str, Any]:
        if jwt.get_unverified_header(token).get("typ") != typ:
            raise jwt.InvalidTokenError("another type")
        return jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_aud": False})


def sign(claims: Mapping[str, Any], secret: str = SECRET) -> str:
    return jwt.encode(dict(claims), secret, "HS256", headers={"typ": "fleet-desired-set+jwt"})


def config_map(name: str = "settings", **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "app"},
        "data": data or {"colour": "blue"},
    }


def deployment(name: str = "web", image: str = "web:1") -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "app"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
        },
    }


def application(
    *objects: dict[str, Any], name: str = "web", revision: int = 1, **replicas: int
) -> dict[str, Any]:
    """Return one application of a desired set; `replicas`: Deployment name -> count."""
    listed = []
    for obj in objects:
        ref = ref_of(obj)
        listed.append(
            {
                "digest": digest_of(canonical_json(obj)),
                "group": ref.id.group,
                "version": ref.version,
                "kind": ref.id.kind,
                "namespace": ref.id.namespace,
                "name": ref.id.name,
            }
        )
    counts = {
        str(ref_of(obj).id): replicas[obj["metadata"]["name"]]
        for obj in objects
        if obj["kind"] == "Deployment" and obj["metadata"]["name"] in replicas
    }
    digest = digest_of(canonical_json({"objects": [each["digest"] for each in listed]}))
    return {
        "name": name,
        "revision": revision,
        "digest": digest,
        "replicas": counts,
        "objects": listed,
    }


def claims(*applications: dict[str, Any], sequence: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "iss": "fleet-portal",
        "aud": UID,
        "project": "shop",
        "epoch": 1,
        "sequence": sequence,
        "applications": list(applications),
        **changes,
    }


async def ship(
    applier: Applier, *objects: dict[str, Any], sequence: int = 1, **options: Any
) -> None:
    """Send a set of one application with its content."""
    token = sign(claims(application(*objects, **options), sequence=sequence))
    missing = (await applier.put_desired("shop", token))["missing"]
    for obj in objects:
        data = canonical_json(obj)
        if digest_of(data) in missing:
            await applier.put_content(digest_of(data), data)


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
async def applier(kube: FakeKube, bus: FakeBus) -> AsyncIterator[Applier]:
    made = Applier(kube, bus, FakeKeyring(), UID)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
