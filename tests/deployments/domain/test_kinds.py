import pytest

from deployments.domain.kinds import is_cluster_scoped, is_known, suggestion


@pytest.mark.parametrize(
    ("group", "kind", "scoped"),
    [
        ("", "Namespace", True),
        ("", "ConfigMap", False),
        ("rbac.authorization.k8s.io", "ClusterRole", True),
        ("rbac.authorization.k8s.io", "Role", False),
        ("zoo.example", "Namespace", False),
    ],
)
def test_knows_cluster_wide_kinds(group: str, kind: str, scoped: bool) -> None:
    assert is_cluster_scoped(group, kind) is scoped


@pytest.mark.parametrize(
    ("version", "kind", "known"),
    [
        ("apps/v1", "Deployment", True),
        ("v1", "Deployment", False),
        ("extensions/v1beta1", "Ingress", True),
        ("networking.istio.io/v1", "VirtualService", True),
    ],
)
def test_knows_its_own_groups_only(version: str, kind: str, known: bool) -> None:
    assert is_known(version, kind) is known


@pytest.mark.parametrize(
    ("version", "kind", "near"),
    [
        ("v1", "Deployment", "apps/v1 Deployment"),
        (
            "autoscaling/v2beta2",
            "HorizontalPodAutoscaler",
            "autoscaling/v2 HorizontalPodAutoscaler",
        ),
        ("v1", "Confgmap", "v1 ConfigMap"),
        ("v1", "Zebra", ""),
    ],
)
def test_suggests_what_was_meant(version: str, kind: str, near: str) -> None:
    assert suggestion(version, kind) == near
