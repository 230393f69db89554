"""The agent's deployments part on a real API server, under the ServiceAccounts of the manifest."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from clusters.agent.inventory import Inventory
from clusters.agent.kube import AgentKube, from_kubeconfig
from clusters.domain.manifest import ManifestInput, build_manifest, render_yaml
from clusters.domain.names import names_for
from clusters.domain.objects import canonical_json, digest_of
from deployments.agent.applier import Applier
from tests.deployments.agent.conftest import FakeKeyring, application, claims, sign
from tests.real.fixtures import ControlPlanes
from tests.real.launcher import ControlPlane

pytestmark = pytest.mark.real

UID = "cluster-1"
NAMESPACE = "shop-prod"
DEADLINE_SECONDS = 40
SEQUENCE = itertools.count(1)
Row = dict[str, Any]


class Bus:
    """Keeps the latest reports; `until` waits for one that holds."""

    def __init__(self) -> None:
        self.latest: dict[tuple[str, str], dict[str, Any]] = {}
        self._news = asyncio.Event()

    def publish(self, kind: str, key: str, report: dict[str, Any]) -> None:
        self.latest[kind, key] = report
        self._news.set()

    async def row(self, holds: Callable[[Row], bool]) -> Row:
        def find() -> Row | None:
            rows = self.latest.get(("targets", "shop"), {}).get("rows", [])
            return next((row for row in rows if holds(row)), None)

        row: Row = await self.until(find)
        return row

    async def until(self, find: Callable[[], Any]) -> Any:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not (found := find()):
                    self._news.clear()
                    await self._news.wait()
                return found
        except TimeoutError:
            pytest.fail(f"not seen in {DEADLINE_SECONDS} s; the last reports: {self.latest}")


class Fleet:
    """One agent's parts, and a portal that sends it sets."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.bus = Bus()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        identity = from_kubeconfig(
            self.plane.service_account_kubeconfig("fleet-system", "fleet-agent")
        )
        self.kube = AgentKube(identity)
        self.applier = Applier(self.kube, self.bus, FakeKeyring(), UID)
        self._task = asyncio.create_task(self.applier.run())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.kube.close()

    async def restart(self) -> None:
        await self.stop()
        self.bus = Bus()
        await self.start()

    async def ship(self, *objects: dict[str, Any], **options: Any) -> None:
        token = sign(claims(application(*objects, **options), sequence=next(SEQUENCE)))
        for digest in (await self.applier.put_desired("shop", token))["missing"]:
            found = next(o for o in objects if digest_of(canonical_json(o)) == digest)
            await self.applier.put_content(digest, canonical_json(found))

    async def clear(self) -> None:
        await self.applier.put_desired("shop", sign(claims(sequence=next(SEQUENCE))))
        await self.bus.until(lambda: self.bus.latest["targets", "shop"]["rows"] == [])

    async def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            await self.kubectl("get", kind, name, "-o", "json", "--show-managed-fields")
        )
        return found

    async def kubectl(self, *arguments: str) -> str:
        return await asyncio.to_thread(self.plane.kubectl, "-n", NAMESPACE, *arguments)


@pytest.fixture(scope="module", params=["legacy", "constrained"])
def joined(request: pytest.FixtureRequest, control_planes: ControlPlanes) -> Iterator[ControlPlane]:
    """A cluster of this module's own, with the manifest of the mode manage applied to it."""
    plane = ControlPlane.start("applier", "mars")
    given = ManifestInput(
        cluster="mars-1",
        url="https://127.0.0.1:1",
        pins=(),
        image="example.com/agent:1",
        mode="manage",
        impersonation=request.param,
        names=names_for("manage", [], ["shop"]),
        scopes=(("shop", (NAMESPACE,)),),
        token="spent",
    )
    plane.apply(render_yaml(build_manifest(given)))
    plane.wait_for_service_account("fleet-system", "fleet-agent")
    plane.wait_for_service_account(NAMESPACE)
    yield plane
    plane.stop()


@pytest.fixture
async def fleet(joined: ControlPlane) -> AsyncIterator[Fleet]:
    fleet = Fleet(joined)
    await fleet.start()
    yield fleet
    await fleet.clear()
    await fleet.stop()


def config_map(colour: str = "red", name: str = "settings") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {"colour": colour},
    }


def service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def deployment(image: str = "example.com/web:1", **container: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    app = {"name": "app", "image": image, "ports": [{"containerPort": 8080}], **container}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [app]}},
        },
    }


def whole_app(image: str = "example.com/web:1") -> list[dict[str, Any]]:
    # Quantities that the API server writes otherwise must not look like drift.
    resources = {"requests": {"cpu": "0.1", "memory": "1024Ki"}}
    return [deployment(image, resources=resources), config_map(), service()]


def is_well(row: Row) -> bool:
    return (row["sync"], row["health"]) == ("synced", "healthy")


async def ship_app(fleet: Fleet, **options: Any) -> Row:
    await fleet.ship(*whole_app(), **{"web": 2, **options})
    return await fleet.bus.row(is_well)


def digits_owned_by(obj: dict[str, Any], manager: str) -> bool:
    return any(
        entry["manager"] == manager and "f:replicas" in entry["fieldsV1"].get("f:spec", {})
        for entry in obj["metadata"]["managedFields"]
    )


async def test_an_application_becomes_healthy(fleet: Fleet) -> None:
    row = await ship_app(fleet)
    assert (row["ready"], row["desired"]) == (2, 2)
    assert row["healthy_since"] is not None


async def test_the_project_is_who_wrote_it(fleet: Fleet) -> None:
    await ship_app(fleet)
    found = await fleet.get("deployment", "web")
    assert digits_owned_by(found, "fleet-portal-replicas")
    assert found["metadata"]["labels"]["fleet-portal.io/project"] == "shop"


async def test_what_the_api_server_normalised_is_no_drift(fleet: Fleet) -> None:
    await ship_app(fleet)
    worker = fleet.applier.projects["shop"].applications["web"]
    await worker.step()
    assert all(not item.decision.drift for item in worker.items.values())
    assert all(item.repaired_at is None for item in worker.items.values())


@pytest.mark.parametrize("kind", ["deployment/web", "configmap/settings", "service/web"])
async def test_an_object_deleted_by_hand_comes_back(fleet: Fleet, kind: str) -> None:
    await ship_app(fleet)
    await fleet.kubectl("delete", kind, "--wait=true")
    await fleet.bus.row(lambda row: is_well(row) and row["drift_repaired_at"] is not None)
    await fleet.kubectl("get", kind)


async def test_a_scaled_deployment_is_scaled_back(fleet: Fleet) -> None:
    await ship_app(fleet)
    await fleet.kubectl("scale", "deployment/web", "--replicas=5")
    await fleet.bus.row(lambda row: is_well(row) and row["drift_repaired_at"] is not None)
    assert (await fleet.get("deployment", "web"))["spec"]["replicas"] == 2


async def test_an_image_set_by_hand_is_put_right_and_named(fleet: Fleet) -> None:
    await ship_app(fleet)
    await fleet.kubectl("set", "image", "deployment/web", "app=example.com/evil:1")
    await fleet.bus.row(lambda row: is_well(row) and row["drift_repaired_at"] is not None)
    item = next(
        each
        for identity, each in fleet.applier.projects["shop"].applications["web"].items.items()
        if identity.kind == "Deployment"
    )
    assert "spec.template.spec.containers[name=app].image" in item.paces
    containers = (await fleet.get("deployment", "web"))["spec"]["template"]["spec"]["containers"]
    assert containers[0]["image"] == "example.com/web:1"


async def test_a_new_revision_takes_the_place_of_the_old(fleet: Fleet) -> None:
    await ship_app(fleet)
    await fleet.ship(*whole_app("example.com/web:2"), web=2, revision=2)
    row = await fleet.bus.row(lambda row: is_well(row) and row["revision"] == 2)
    assert row["ready"] == 2


async def test_scaling_needs_no_revision(fleet: Fleet) -> None:
    await ship_app(fleet)
    await fleet.ship(*whole_app(), web=4)
    row = await fleet.bus.row(lambda row: is_well(row) and row["desired"] == 4)
    assert row["revision"] == 1
    found = await fleet.get("deployment", "web")
    assert found["metadata"]["generation"] == 2


async def test_a_withdrawn_binding_is_told_in_the_clusters_words(fleet: Fleet) -> None:
    await ship_app(fleet)
    saved = await fleet.kubectl("get", "rolebinding", "fleet-project-shop", "-o", "json")
    await fleet.kubectl("delete", "rolebinding", "fleet-project-shop")
    try:
        await fleet.kubectl("delete", "configmap", "settings")
        row = await fleet.bus.row(lambda row: row["reason"] == "Forbidden")
        assert row["sync"] == "blocked"
        assert 'User "fleet:project:shop" cannot' in row["message"]
    finally:
        binding = json.loads(saved)
        for field in ("resourceVersion", "uid", "creationTimestamp"):
            del binding["metadata"][field]
        await asyncio.to_thread(fleet.plane.apply, json.dumps(binding))
    await fleet.bus.row(is_well)


async def test_another_namespace_is_refused(fleet: Fleet) -> None:
    stray = config_map()
    stray["metadata"]["namespace"] = "default"
    await fleet.ship(stray)
    row = await fleet.bus.row(lambda row: row["sync"] == "blocked")
    assert row["reason"] == "Forbidden"
    assert 'in the namespace "default"' in row["message"]


async def test_invalid_content_is_told_in_the_clusters_words(fleet: Fleet) -> None:
    broken = deployment()
    broken["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    await fleet.ship(broken, config_map())
    row = await fleet.bus.row(lambda row: row["sync"] == "blocked")
    assert row["reason"] == "Invalid"
    assert "selector" in row["message"]
    await fleet.kubectl("get", "configmap", "settings")


async def test_an_unknown_kind_waits_alone(fleet: Fleet) -> None:
    widget = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": NAMESPACE},
    }
    await fleet.ship(widget, config_map())
    row = await fleet.bus.row(lambda row: row["sync"] == "waiting_for_api")
    states = {each["kind"]: each["sync"] for each in row["objects"]}
    assert states == {"Widget": "waiting_for_api", "ConfigMap": "synced"}


async def test_an_object_of_somebody_else_is_left_alone(fleet: Fleet) -> None:
    await fleet.kubectl("create", "configmap", "settings", "--from-literal=colour=theirs")
    try:
        await fleet.ship(config_map())
        row = await fleet.bus.row(lambda row: row["sync"] == "blocked")
        assert row["reason"] == "OwnedByOther"
        assert (await fleet.get("configmap", "settings"))["data"] == {"colour": "theirs"}
    finally:
        await fleet.kubectl("delete", "configmap", "settings")


async def test_an_agent_that_restarts_goes_on_without_the_portal(fleet: Fleet) -> None:
    await ship_app(fleet)
    await fleet.stop()
    await fleet.kubectl("delete", "configmap/settings", "service/web")
    await fleet.restart()
    row = await fleet.bus.row(is_well)
    assert row["ready"] == 2
    await fleet.kubectl("get", "configmap/settings", "service/web")


async def test_nothing_is_removed_that_is_no_longer_marked_as_ours(fleet: Fleet) -> None:
    await ship_app(fleet)
    project = fleet.applier.projects["shop"]
    await fleet.ship(*whole_app(), config_map(name="extra"), web=2)
    await fleet.bus.row(lambda row: is_well(row) and len(row["objects"]) == 4)
    await fleet.stop()
    await fleet.kubectl("label", "configmap", "extra", "fleet-portal.io/project-")
    await fleet.restart()
    await fleet.bus.until(lambda: fleet.bus.latest.get(("targets", "shop")))
    await fleet.ship(*whole_app(), web=2)
    await fleet.bus.row(lambda row: is_well(row) and len(row["objects"]) == 3)
    await fleet.kubectl("delete", "configmap", "extra")
    assert project.project == "shop"


async def test_where_watching_is_withdrawn_the_list_serves(fleet: Fleet) -> None:
    role = json.loads(await fleet.kubectl("get", "role", "fleet-project-shop", "-o", "json"))
    for field in ("resourceVersion", "uid", "creationTimestamp"):
        role["metadata"].pop(field, None)
    without = [
        {**rule, "verbs": [verb for verb in rule["verbs"] if verb != "watch"]}
        for rule in role["rules"]
    ]
    await asyncio.to_thread(fleet.plane.apply, json.dumps({**role, "rules": without}))
    try:
        await fleet.ship(config_map())
        row = await fleet.bus.row(lambda row: "read again each 30 s" in row["message"])
        assert (row["sync"], row["health"]) == ("synced", "healthy")
        assert "cannot watch resource" in row["message"]
    finally:
        await asyncio.to_thread(fleet.plane.apply, json.dumps(role))


async def test_an_api_server_that_was_away_is_looked_after_again(fleet: Fleet) -> None:
    await ship_app(fleet)
    await asyncio.to_thread(fleet.plane.stop_api_server)
    await fleet.bus.row(lambda row: row["health"] == "unknown" and row["reason"] == "Transport")
    await asyncio.to_thread(fleet.plane.start_api_server)
    await fleet.bus.row(is_well)
    await fleet.kubectl("delete", "configmap/settings")
    await fleet.bus.row(lambda row: is_well(row) and row["drift_repaired_at"] is not None)


async def test_the_inventory_tells_nodes_usage_and_access(joined: ControlPlane) -> None:
    bus = Bus()
    kubeconfig = joined.service_account_kubeconfig("fleet-system", "fleet-agent")
    async with AgentKube(from_kubeconfig(kubeconfig)) as kube:
        task = asyncio.create_task(Inventory(kube, bus, "manage").run())
        kinds = {"nodes", "usage", "access"}
        await bus.until(lambda: kinds <= {kind for kind, _ in bus.latest})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert bus.latest["access", "access"]["passed"]
    nodes = bus.latest["nodes", "nodes"]["nodes"]
    assert {node["region"] for node in nodes} == {"mars"}
    assert all(node["ready"] and node["cpu_milli"] > 0 for node in nodes)
