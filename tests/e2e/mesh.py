"""Two of the three clusters as one mesh: in each a real istiod, a caller's Envoy, a Prometheus.

The service is an application that the portal rolled out. Its Pods answer on their own addresses
(`ServedPods`), other clusters enter `us` by a gateway: an Envoy that passes connections on to
the Pods there. `ap` has no Istio, as some clusters of a fleet do.
"""

import contextlib
import threading
from typing import Any

from tests.e2e.fleet import Fleet
from tests.e2e.shop import NAMESPACE, Shop
from tests.real.envoy import Caller, Envoy
from tests.real.istio import Istiod
from tests.real.launcher import ControlPlane
from tests.real.pods import ServedPods
from tests.real.prometheus import Prometheus, Target

PORT = 8080
GATEWAY = ("10.223.1.1", 15443)
ZONES = {"eu-a": "eu-1", "eu-b": "eu-1", "us-a": "us-1", "us-b": "us-1"}
_BETWEEN_REQUESTS_SECONDS = 0.05


def manifests(name: str) -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: web, image: "registry.example/shop/web:1.0"}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 80, targetPort: {PORT}}}]
"""


class Traffic:
    """Requests of one caller to a service's own name, steadily until stopped."""

    def __init__(self, envoy: Envoy, host: str) -> None:
        self._envoy, self._host = envoy, host
        self._flowing, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def start(self) -> None:
        self._flowing.set()

    def stop(self) -> None:
        self._flowing.clear()

    def end(self) -> None:
        self._ended.set()
        self._flowing.set()
        self._thread.join()

    def _send(self) -> None:
        while not self._ended.wait(_BETWEEN_REQUESTS_SECONDS):
            self._flowing.wait()
            # Whether it is answered is what Prometheus counts.
            with contextlib.suppress(OSError):
                self._envoy.request(self._host, timeout_seconds=2)


class Region:
    """One cluster with its part of the mesh."""

    def __init__(self, plane: ControlPlane, shop: Shop, caller_address: str) -> None:
        self.plane, self.shop = plane, shop
        self.host = f"{shop.name}.{NAMESPACE}.svc.cluster.local"
        self.istiod = Istiod.start(plane)
        place = (plane.region, f"{plane.region}-a")
        self.caller = Envoy.told_by(
            self.istiod, Caller("caller", NAMESPACE, caller_address, *place)
        )
        self.traffic = Traffic(self.caller, self.host)
        self.pods: ServedPods | None = None
        self.prometheus: Prometheus | None = None

    def serve(self) -> None:
        """Let the Pods answer; a person would say that they run."""
        if self.pods is None:
            self.pods = ServedPods(self.plane, NAMESPACE, f"app={self.shop.name}", PORT)
            self.pods.wait_for(2)

    def kill_pods(self) -> None:
        """Let the Pods refuse and reset connections, before Kubernetes knows of it."""
        if self.pods is not None:
            self.pods.stop()
            self.pods = None

    def measure(self) -> None:
        if self.prometheus is None:
            target = Target(self.caller, self.plane.name)
            self.prometheus = Prometheus.start(self.plane, [target], ZONES)

    def stop_measuring(self) -> None:
        if self.prometheus is not None:
            self.prometheus.stop()
            self.prometheus = None

    def close(self) -> None:
        self.traffic.end()
        self.stop_measuring()
        self.kill_pods()
        self.caller.stop()
        self.istiod.stop()


class Mesh:
    """The service in both regions, and how it is shared through the portal."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.person = fleet, fleet.person
        self.shop = Shop(fleet)
        self.regions = {
            region: Region(fleet.planes[region], self.shop, address)
            for region, address in (("eu", "10.192.9.9"), ("us", "10.193.9.9"))
        }
        self.eu, self.us = self.regions["eu"], self.regions["us"]
        self.shop.create(manifests(self.shop.name), placement={"regions": ["eu", "us"]})
        self.shop.roll_out_and_wait()
        for region in self.regions.values():
            region.serve()
        self.gateway = Envoy.configured("gateway-us", self._passes_on(self.us), GATEWAY[1])
        for region in self.regions.values():
            entrance = [":".join(map(str, GATEWAY))] if region is self.us else []
            body = {"gateways": entrance, "scrape_seconds": 1}
            self.person.send("PUT", f"/mesh/clusters/{region.plane.name}/", body)

    def _passes_on(self, region: Region) -> dict[str, Any]:
        assert region.pods is not None
        return _tcp_proxy(GATEWAY, [(pod.address, PORT) for pod in region.pods.servers.values()])

    def marked(self) -> Any:
        """Return the service as the portal shares it; None while it does not."""
        for row in self.person.get("/mesh/services/")["results"]:
            if row["name"] == self.shop.name:
                return row
        return None

    def mark(self) -> None:
        """Share the service through REST, unless it is."""
        if self.marked() is None:
            place = {"project": "default", "namespace": NAMESPACE, "name": self.shop.name}
            wanted = {"nearest": ["us", "eu"], "hold_down_seconds": 2}
            self.person.post("/mesh/services/", {**place, **wanted})

    def unmark(self) -> None:
        if found := self.marked():
            self.person.send("DELETE", f"/mesh/services/{found['id']}/")
            self.person.wait("/mesh/services/", lambda rows: self.marked() is None, 60)

    def heal(self) -> None:
        """Bring everything to shared, served, asked for and measured."""
        self.mark()
        for region in self.regions.values():
            region.serve()
            region.measure()
            region.traffic.start()

    def wait_for_state(self, region: str, state: str, deadline_seconds: float) -> Any:
        def holding(rows: Any) -> list[Any]:
            return [row for row in rows if (row["region"], row["state"]) == (region, state)]

        found = self.person.wait(
            "/mesh/regions/", lambda rows: bool(holding(rows)), deadline_seconds
        )
        return holding(found)[0]

    def close(self) -> None:
        for region in self.regions.values():
            region.close()
        self.gateway.stop()
        self.unmark()
        self.shop.delete()


def _tcp_proxy(listen: tuple[str, int], to: list[tuple[str, int]]) -> dict[str, Any]:
    tcp = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    proxy = {"@type": tcp, "stat_prefix": "gateway", "cluster": "pods"}
    chain = {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]}
    endpoints = [{"endpoint": {"address": _socket(*place)}} for place in to]
    cluster = {
        "name": "pods",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "pods", "endpoints": [{"lb_endpoints": endpoints}]},
    }
    listener = {"name": "gateway", "address": _socket(*listen), "filter_chains": [chain]}
    return {"listeners": [listener], "clusters": [cluster]}


def _socket(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}
