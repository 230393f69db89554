import pytest
from django.http import QueryDict

from clusters.forms import ClusterFilterForm, PoolFilterForm, RegisterForm, RemoveForm, ScopeForm
from clusters.queries import ClusterFilter
from fleet_portal.common.access import Access, Role
from tests.factories import make_cluster, make_project

pytestmark = pytest.mark.django_db

OPERATOR = Access(1, Role.OPERATOR, {})


def test_a_filter_takes_what_it_understands() -> None:
    make_cluster("a", region="eu")
    form = ClusterFilterForm(OPERATOR, QueryDict("text=x&region=nowhere&sort=;drop"))
    assert form.wanted() == ClusterFilter(text="x")
    form = ClusterFilterForm(OPERATOR, QueryDict("region=eu&state=lost&sort=-region"))
    assert form.wanted() == ClusterFilter(region="eu", state="lost", sort="-region")


def test_the_pool_is_filtered_by_a_region_that_is_seen() -> None:
    make_cluster("a", region="eu")
    assert PoolFilterForm(OPERATOR, QueryDict("region=eu")).wanted().region == "eu"
    assert PoolFilterForm(OPERATOR, QueryDict("region=us")).wanted().region == ""


@pytest.mark.parametrize(("mode", "scopes"), [("manage", {"default": ["x"]}), ("observe", {})])
def test_namespaces_come_with_managing_alone(mode: str, scopes: dict[str, list[str]]) -> None:
    form = RegisterForm(
        {"name": "a", "mode": mode, "impersonation": "legacy", "scopes": "default: x"}
    )
    assert form.is_valid()
    assert form.wanted()["scopes"] == scopes


def test_only_production_asks_for_the_name() -> None:
    assert "typed_name" not in RemoveForm(make_cluster("a")).fields
    assert not RemoveForm(make_cluster("b", production=True), {"typed_name": "a"}).is_valid()


def test_a_scope_names_a_project_that_is_seen() -> None:
    project = make_project("web")
    limited = Access(1, Role.NONE, {project.pk: Role.VIEWER})
    assert ScopeForm(limited, {"project": "web", "namespaces": "a b"}).is_valid()
    assert not ScopeForm(limited, {"project": "default", "namespaces": "a"}).is_valid()
