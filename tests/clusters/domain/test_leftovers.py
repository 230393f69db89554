from clusters.domain.leftovers import leftover_commands


def test_everything_the_manifest_made_is_named() -> None:
    commands = leftover_commands(namespaces=["shop"], prometheus_namespace="monitoring")
    text = "\n".join(commands)
    for name in ("fleet-impersonate", "fleet-observer", "fleet-agent-probe", "fleet-prometheus"):
        assert name in text
    assert "-n shop" in text
    assert commands[-1] == "kubectl delete namespace --ignore-not-found fleet-system"


def test_rights_go_before_the_agent() -> None:
    commands = leftover_commands(namespaces=[], prometheus_namespace="")
    assert commands[0].startswith("kubectl delete clusterrolebinding")
    assert len(commands) == 3


def test_no_namespace_of_a_project_is_deleted() -> None:
    commands = leftover_commands(namespaces=["shop"], prometheus_namespace="")
    assert not any("delete namespace" in command and "shop" in command for command in commands)
