"""What an administrator reads and applies."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from clusters.domain.manifest import (
    ManifestInput,
    Prometheus,
    build_manifest,
    build_rules,
    heading_of,
    objects_of,
    render_yaml,
)
from clusters.domain.names import names_for

PIN = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def given(mode: str = "manage", **values: Any) -> ManifestInput:
    scopes = (("shop", ("orders", "shop")),) if mode == "manage" else ()
    made = ManifestInput(
        cluster="eu-1",
        url="https://portal.example:8443",
        pins=(PIN,),
        image="fleet-portal/agent:1",
        mode=mode,
        impersonation="legacy",
        names=names_for(mode, ["web"], ["shop"]),
        scopes=scopes,
        prometheus=Prometheus("monitoring", "prometheus", 9090),
        token="fpj_token",
    )
    return replace(made, **values)


def names(what: ManifestInput) -> list[str]:
    return [f"{obj['kind']} {obj['metadata']['name']}" for obj in objects_of(build_manifest(what))]


def find(what: ManifestInput, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    for obj in objects_of(build_manifest(what)):
        metadata = obj["metadata"]
        if (obj["kind"], metadata["name"]) == (kind, name) and namespace in (
            "",
            metadata.get("namespace"),
        ):
            return obj
    raise AssertionError(f"no {kind} {name}")


def test_observe_makes_only_what_reads() -> None:
    assert names(given("observe")) == [
        "Namespace fleet-system",
        "ServiceAccount fleet-agent",
        "ServiceAccount fleet-impersonator",
        "ConfigMap fleet-agent-config",
        "Secret fleet-agent-join",
        "Secret fleet-agent-identity",
        "Role fleet-agent",
        "RoleBinding fleet-agent",
        "ClusterRole fleet-agent-probe",
        "ClusterRoleBinding fleet-agent-probe",
        "ClusterRole fleet-impersonate",
        "ClusterRoleBinding fleet-impersonate",
        "ClusterRole fleet-observer",
        "ClusterRoleBinding fleet-observer",
        "Namespace monitoring",
        "Role fleet-prometheus",
        "RoleBinding fleet-prometheus",
        "Deployment fleet-agent",
    ]


def test_manage_gives_a_project_its_namespaces_and_no_more() -> None:
    parts = objects_of(build_rules(given("manage")))
    bindings = [
        (obj["metadata"]["namespace"], obj["subjects"][0]["name"])
        for obj in parts
        if obj["kind"] == "RoleBinding" and obj["metadata"]["name"] == "fleet-project-shop"
    ]
    assert bindings == [("orders", "fleet:project:shop"), ("shop", "fleet:project:shop")]
    cluster_wide = [obj["subjects"] for obj in parts if obj["kind"] == "ClusterRoleBinding"]
    assert "fleet:project:shop" not in str(cluster_wide)


@pytest.mark.parametrize("mode", ["observe", "use", "manage"])
@pytest.mark.parametrize("impersonation", ["legacy", "constrained"])
def test_every_text_reads_back_as_the_objects(mode: str, impersonation: str) -> None:
    what = given(mode, impersonation=impersonation)
    text = render_yaml(build_manifest(what), heading_of(what))
    assert list(yaml.safe_load_all(text)) == objects_of(build_manifest(what))


@pytest.mark.parametrize("mode", ["observe", "use", "manage"])
@pytest.mark.parametrize("impersonation", ["legacy", "constrained"])
def test_one_way_of_impersonation(mode: str, impersonation: str) -> None:
    verbs = [
        verb
        for obj in objects_of(build_manifest(given(mode, impersonation=impersonation)))
        for rule in obj.get("rules", [])
        for verb in rule["verbs"]
        if verb.startswith("impersonate")
    ]
    legacy = {verb == "impersonate" for verb in verbs}
    assert legacy == {impersonation == "legacy"}


def test_the_data_account_has_one_binding() -> None:
    subjects = [
        obj["metadata"]["name"]
        for obj in objects_of(build_manifest(given()))
        for subject in obj.get("subjects", [])
        if subject["name"] == "fleet-impersonator"
    ]
    assert subjects == ["fleet-impersonate"]


def test_the_data_account_is_mounted_nowhere() -> None:
    account = find(given(), "ServiceAccount", "fleet-impersonator")
    assert account["automountServiceAccountToken"] is False


def test_the_agent_learns_everything_from_its_config() -> None:
    assert find(given(), "ConfigMap", "fleet-agent-config")["data"] == {
        "url": "https://portal.example:8443",
        "pins": PIN,
        "cluster": "eu-1",
        "mode": "manage",
        "project_namespaces": "orders,shop",
    }


def test_applying_again_keeps_the_agents_key() -> None:
    """kubectl removes only what an earlier apply had set: so the Secret is applied without data."""
    secret = find(given(), "Secret", "fleet-agent-identity")
    assert not {"data", "stringData"} & secret.keys()


def test_no_prometheus_no_right_to_it() -> None:
    assert "Role fleet-prometheus" not in names(given(prometheus=None))


def test_the_pod_is_locked_down() -> None:
    pod = find(given(), "Deployment", "fleet-agent")["spec"]["template"]["spec"]
    container = pod["containers"][0]["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["readOnlyRootFilesystem"]
    assert container["capabilities"] == {"drop": ["ALL"]}


def test_a_new_command_replaces_the_pod() -> None:
    """Else an agent that was refused would read the new token minutes later."""

    def template(token: str) -> Any:
        return find(given(token=token), "Deployment", "fleet-agent")["spec"]["template"]

    assert template("fpj_a") == template("fpj_a")
    assert template("fpj_a") != template("fpj_b")
    assert "fpj_a" not in str(template("fpj_a"))


def test_each_part_that_grants_says_why() -> None:
    for part in build_manifest(given()):
        assert (
            part.comment
            or part.object["kind"].endswith("Binding")
            or part.object["kind"] in ("Role",)
        )


def test_the_rules_alone_hold_no_token() -> None:
    assert "fpj_token" not in render_yaml(build_rules(given()))
    assert "fpj_token" in render_yaml(build_manifest(given()))
