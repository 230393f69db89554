import pytest

from deployments.forms.applications import FilterForm, NewApplicationForm, ScaleForm
from deployments.queries import ApplicationFilter
from fleet_portal.common.access import access_of
from fleet_portal.common.errors import ActionRefused
from tests.deployments.factories import DEPLOYMENT
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db
BASICS = {"name": "web", "project": "default", "namespace": "shop"}


def form(**values: str) -> NewApplicationForm:
    access = access_of(make_user(role="operator"))
    found = NewApplicationForm(access, data={**BASICS, **values}, files={})
    assert found.is_valid(), found.errors
    return found


def test_an_image_becomes_objects() -> None:
    content = form(image="web:1", replicas="0", port="80").content()
    assert [obj["kind"] for obj in content] == ["Deployment", "Service"]  # type: ignore[index]
    assert content[0]["spec"]["replicas"] == 0  # type: ignore[index]


def test_manifests_stay_text() -> None:
    assert form(manifests=DEPLOYMENT).content() == DEPLOYMENT


@pytest.mark.parametrize("values", [{}, {"image": "web:1", "manifests": "a: b"}])
def test_exactly_one_of_both_is_needed(values: dict[str, str]) -> None:
    with pytest.raises(ActionRefused):
        form(**values).content()


def test_offers_projects_one_operates() -> None:
    tea = make_project("tea")
    access = access_of(make_user(role="operator", project=tea))
    assert list(NewApplicationForm(access).fields["project"].queryset) == [tea]  # type: ignore[attr-defined]


def test_a_filter_that_is_not_understood_is_left_out() -> None:
    access = access_of(make_user(role="viewer"))
    found = FilterForm(access, {"text": "we", "state": "exploded"}).wanted()
    assert found == ApplicationFilter(text="we")


def test_scaling_offers_each_counted_workload() -> None:
    counts = {"apps/Deployment/shop/web": 2, "apps/StatefulSet/shop/db": 1}
    found = ScaleForm(counts, {"count_0": "5", "count_1": "3"})
    assert found.is_valid()
    assert [field.label for field in found] == ["Deployment web", "StatefulSet db"]
    assert found.counts() == {"apps/Deployment/shop/web": 5, "apps/StatefulSet/shop/db": 3}
