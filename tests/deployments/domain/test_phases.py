"""The order in which objects come."""

import pytest

from clusters.domain.objects import ObjectId
from deployments.domain.phases import defines_kinds, in_phases, phase_of

CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (("", "Namespace"), ("", "ServiceAccount")),
        (CRD, ("example.com", "Widget")),
        (("rbac.authorization.k8s.io", "Role"), ("", "ConfigMap")),
        (("", "Secret"), ("", "Service")),
        (("", "Service"), ("apps", "Deployment")),
        (("apps", "Deployment"), ("networking.k8s.io", "Ingress")),
        (("gateway.networking.k8s.io", "HTTPRoute"), ("networking.istio.io", "VirtualService")),
        (("example.com", "Widget"), ("apiregistration.k8s.io", "APIService")),
    ],
)
def test_some_kinds_come_first(earlier: tuple[str, str], later: tuple[str, str]) -> None:
    assert phase_of(*earlier) < phase_of(*later)


def test_a_foreign_kind_by_a_known_name_is_custom() -> None:
    assert phase_of("serving.knative.dev", "Service") == phase_of("example.com", "Widget")


def test_objects_are_grouped_phase_by_phase() -> None:
    web = ObjectId("apps", "Deployment", "n", "web")
    first, second = ObjectId("", "ConfigMap", "n", "a"), ObjectId("", "ConfigMap", "n", "b")
    assert in_phases([(web, 1), (second, 2), (first, 3)]) == [[(first, 3), (second, 2)], [(web, 1)]]


def test_only_definitions_bring_kinds() -> None:
    assert defines_kinds(ObjectId(*CRD, "", "widgets.example.com"))
    assert not defines_kinds(ObjectId("example.com", "CustomResourceDefinition", "", "x"))
