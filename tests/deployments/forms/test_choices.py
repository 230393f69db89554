import pytest

from deployments.forms.choices import PlacementForm, selection_initial, selection_of
from fleet_portal.common.access import access_of
from tests.deployments.factories import make_connected_cluster
from tests.factories import make_cluster, make_project, make_user

pytestmark = pytest.mark.django_db

STORED = {"clusters": ["eu-1"], "regions": ["eu"], "selector": "a=b", "except": ["eu-2"]}


def test_a_selection_survives_the_form() -> None:
    assert selection_of(selection_initial(STORED)) == STORED


def test_empty_fields_say_nothing() -> None:
    assert selection_of(selection_initial({})) == {}


def test_offers_the_clusters_the_viewers_projects_may_use() -> None:
    make_connected_cluster("eu-1")
    make_cluster("eu-2")
    user = make_user(role="operator", project=make_project("default"))
    form = PlacementForm(access_of(user))
    assert [value for value, _label in form.fields["clusters"].choices] == ["eu-1"]  # type: ignore[attr-defined]
    everyone = PlacementForm(access_of(make_user(role="operator")))
    assert len(everyone.fields["clusters"].choices) == 2  # type: ignore[attr-defined]


def test_large_fleets_are_typed_instead_of_ticked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.forms.choices.MOST_BOXES", 1)
    for name in ("eu-1", "eu-2"):
        make_cluster(name)
    access = access_of(make_user(role="operator"))
    form = PlacementForm(access, {"clusters": "eu-1, eu-9,"}, initial={"clusters": ["eu-2"]})
    assert form.is_valid()
    assert form.placement() == {"clusters": ["eu-1", "eu-9"]}
    assert 'value="eu-2"' in str(PlacementForm(access, initial={"clusters": ["eu-2"]})["clusters"])
