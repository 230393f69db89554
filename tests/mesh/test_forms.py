import pytest

from fleet_portal.common.access import access_of
from mesh.forms import ChangeForm, ClusterMeshForm, MarkForm
from tests.factories import make_binding, make_project, make_user


@pytest.mark.django_db
def test_only_projects_that_the_person_operates_are_offered():
    mine, seen = make_project("mine"), make_project("seen")
    user = make_user(role="operator", project=mine)
    make_binding(user=user, role="viewer", project=seen)
    field = MarkForm(access_of(user)).fields["project"]
    assert list(field.queryset) == [mine]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "expected"), [("us, ap ,", ["us", "ap"]), ("", []), (" eu ", ["eu"])]
)
def test_an_order_is_read_from_commas(text, expected):
    form = ChangeForm({"nearest": text})
    assert form.is_valid()
    assert form.cleaned_data["nearest"] == expected


def test_gateways_stand_one_a_line():
    form = ClusterMeshForm({"gateways": "10.0.0.1\n\n10.0.0.2, 10.0.0.3", "scrape_seconds": 15})
    assert form.is_valid()
    assert form.cleaned_data["gateways"] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
