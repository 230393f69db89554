from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters import manifests
from tests.factories import make_cluster, make_project, make_scope

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _settings(settings: Any, tmp_path: Path) -> None:
    settings.FLEET_RUN_DIR = tmp_path
    settings.FLEET_PUBLIC_URL = "https://portal.example"
    settings.FLEET_TLS_CERT = settings.FLEET_TLS_KEY = ""


def test_behind_the_portals_own_authority_the_key_is_pinned() -> None:
    join = manifests.join_command("fpj_x")
    assert join.address == "https://portal.example/join/fpj_x/fleet-agent.yaml"
    assert join.command.startswith("curl -fsSk --pinnedpubkey 'sha256//")
    assert join.command.endswith(f"' {join.address} | kubectl apply -f -")


def test_behind_a_public_certificate_kubectl_fetches_it(settings: Any) -> None:
    settings.FLEET_TLS_CERT = settings.FLEET_TLS_KEY = "/etc/tls"
    join = manifests.join_command("fpj_x")
    assert join.command == f"kubectl apply -f {join.address}"
    assert manifests.manifest_input(make_cluster("a")).pins == ()


def test_the_manifest_speaks_of_the_cluster_as_it_is() -> None:
    cluster = make_cluster("eu-1", mode="manage")
    make_scope(make_project("default"), cluster, "shop")
    text = manifests.manifest_text(cluster, "fpj_x")
    found = {(obj["kind"], obj["metadata"]["name"]): obj for obj in yaml.safe_load_all(text)}
    assert found["Secret", "fleet-agent-join"]["stringData"] == {"token": "fpj_x"}
    assert found["ConfigMap", "fleet-agent-config"]["data"]["cluster"] == "eu-1"
    assert ("Namespace", "shop") in found
    assert "eu-1" in text.splitlines()[0]


def test_a_shown_manifest_hides_the_token() -> None:
    assert manifests.HIDDEN_TOKEN in manifests.manifest_text(make_cluster("a"))


def test_rules_alone_have_no_agent() -> None:
    text = manifests.rules_text(make_cluster("a"))
    assert "kind: Deployment" not in text
    assert "kind: ClusterRole" in text


def test_scopes_of_an_observed_cluster_are_not_printed() -> None:
    cluster = make_cluster("a", mode="observe")
    make_scope(make_project("default"), cluster, "shop")
    assert "fleet:project:default" not in manifests.manifest_text(cluster)
