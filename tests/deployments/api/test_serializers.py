import pytest

from deployments.api.serializers import NewApplicationSerializer, SelectionSerializer


def test_a_selection_may_leave_clusters_out() -> None:
    found = SelectionSerializer(data={"regions": ["eu"], "except": ["eu-1"]})
    assert found.is_valid()
    assert found.validated_data == {"regions": ["eu"], "except": ["eu-1"]}


@pytest.mark.parametrize(
    "data",
    [
        {"name": "web", "namespace": "shop"},
        {"project": "default", "name": "web"},
        {"project": "default", "name": "web", "namespace": "shop", "objects": "x"},
        {"project": "default", "name": "web", "namespace": "shop", "placement": {"regions": "eu"}},
    ],
)
def test_refuses_incomplete_applications(data: dict[str, object]) -> None:
    assert not NewApplicationSerializer(data=data).is_valid()
