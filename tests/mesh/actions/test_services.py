import pytest

from deployments.blobs import entries_of
from deployments.models import Application
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.models import AuditEntry
from mesh import actions, queries
from mesh.models import MeshService
from tests.factories import make_project
from tests.mesh.fakes import kube_service, user_route
from tests.mesh.rows import confirm, lose

pytestmark = pytest.mark.django_db


def kinds(service, cluster):
    return [obj["kind"] for obj in queries.objects_by_cluster(service)[cluster.pk]]


def mark(project, **values):
    return actions.mark_reachable(project, "shop", "orders", "test", **values)


def test_ports_and_selector_are_read_from_the_clusters(orders):
    assert orders.service.selector == {"app": "orders"}
    assert [port.target_port for port in orders.service.ports] == [8080]


def test_objects_travel_as_a_system_application_of_the_project(orders, fleet):
    application = Application.objects.get(system=True)
    assert (application.pk, application.project) == (orders.application_id, orders.project)
    assert application.targets.count() == 3


def test_a_cluster_without_the_service_gets_the_name(orders, fleet):
    assert "Service" in kinds(orders, fleet["ap-1"])
    assert "Service" not in kinds(orders, fleet["eu-1"])


def test_the_service_is_read_as_the_project(orders, kube):
    identities = {identity for _, identity, kind in kube.asked if kind == "Service"}
    assert identities == {"project:shop-team"}


def test_marking_is_audited(orders):
    assert AuditEntry.objects.get(action="mesh.mark").object_name == "shop/orders"


def test_a_second_mark_is_refused(orders, project):
    with pytest.raises(ActionRefused, match="already"):
        mark(project)


def test_a_namespace_that_the_project_may_not_use_is_refused(fleet, project):
    with pytest.raises(ActionRefused, match="may not use namespace other") as refused:
        actions.mark_reachable(project, "other", "orders", "test")
    assert refused.value.field == "namespace"


def test_another_projects_clusters_are_none_of_its_own(fleet):
    with pytest.raises(ActionRefused, match="may not use"):
        mark(make_project("stranger"))


def test_a_service_that_nobody_runs_is_refused_and_nothing_is_saved(fleet, project, kube):
    with pytest.raises(ActionRefused, match="No cluster has a Service"):
        actions.mark_reachable(project, "shop", "nothing", "test")
    assert not MeshService.objects.exists()


def test_when_clusters_could_not_be_asked_the_refusal_says_so(fleet, project, kube):
    kube.down = {"eu-1", "us-1"}
    with pytest.raises(ActionRefused, match="2 clusters could not be asked"):
        mark(project)


def test_clusters_that_disagree_are_named(fleet, project, kube):
    kube.put("us-1", "Service", kube_service(selector={"app": "other"}))
    with pytest.raises(ActionRefused, match="differs between eu-1 and us-1"):
        mark(project)


@pytest.mark.parametrize("name", ["Orders", "or ders", "", "-a", "../x", "a" * 64, "orders\n"])
def test_hostile_names_are_refused(fleet, project, name):
    with pytest.raises(ActionRefused):
        actions.mark_reachable(project, "shop", name, "test")


def test_an_unknown_region_is_refused(fleet, project):
    with pytest.raises(ActionRefused, match="no region mars"):
        mark(project, nearest=["mars"])


def test_an_unknown_failover_setting_is_refused(fleet, project):
    with pytest.raises(ActionRefused, match="no failover setting"):
        mark(project, failover={"speed": 1})


def test_settings_that_equal_the_defaults_are_not_kept(fleet, project):
    values = {"base_ejection_seconds": 3, "interval_seconds": 5}
    assert mark(project, failover=values).failover == {"base_ejection_seconds": 3}


@pytest.mark.parametrize("seconds", [-1, 90000])
def test_a_hold_has_limits(fleet, project, seconds):
    with pytest.raises(ActionRefused, match="holds for"):
        mark(project, hold_down_seconds=seconds)


def test_a_cluster_that_never_answered_gets_nothing(fleet, project, kube):
    kube.down = {"ap-1"}
    service = mark(project)
    assert fleet["ap-1"].pk not in queries.objects_by_cluster(service)


def test_a_route_of_the_owners_is_left_alone(fleet, project, kube):
    kube.put("eu-1", "VirtualService", user_route())
    service = mark(project)
    confirm(service)
    actions.add_routes(service, "test")
    assert "VirtualService" not in kinds(service, fleet["eu-1"])
    assert "VirtualService" in kinds(service, fleet["us-1"])


def test_the_order_of_regions_changes_the_objects(orders, fleet):
    before = orders.distributed
    actions.change_service(orders, "test", nearest=["us", "eu"])
    orders.refresh_from_db()
    assert orders.nearest == ["us", "eu"]
    assert orders.distributed != before


def test_the_same_objects_are_not_handed_over_again(orders):
    revisions = orders.application.revisions.count()
    assert actions.distribute(orders, "test") is False
    assert orders.application.revisions.count() == revisions


def test_callers_are_sent_to_the_stub_only_where_it_was_confirmed(fleet, project):
    service = mark(project)
    assert "VirtualService" not in kinds(service, fleet["eu-1"])
    assert actions.add_routes(service, "test") is False
    confirm(service)
    service.application.targets.filter(cluster=fleet["us-1"]).update(sync="blocked")
    assert actions.add_routes(service, "test") is True
    assert "VirtualService" in kinds(service, fleet["eu-1"])
    assert "VirtualService" not in kinds(service, fleet["us-1"])


def test_a_service_being_removed_gets_no_routes(fleet, project):
    service = mark(project)
    actions.unmark(service, "test")
    confirm(service)
    assert actions.add_routes(service, "test") is False


def test_removal_takes_the_routes_away_first(orders):
    actions.unmark(orders, "test")
    target = orders.application.targets.get(cluster__name="eu-1")
    wanted = entries_of([target.desired_digest])[target.desired_digest]
    assert {item["kind"] for item in wanted} == {"ServiceEntry", "WorkloadEntry", "DestinationRule"}


def test_removal_waits_until_clusters_confirmed(orders):
    actions.unmark(orders, "test")
    assert actions.finish_removal(orders) is False
    assert MeshService.objects.exists()


def test_removal_ends_when_all_have(orders):
    actions.unmark(orders, "test")
    confirm(orders)
    assert actions.finish_removal(orders) is True
    assert not MeshService.objects.exists()


def test_a_cluster_that_is_away_does_not_hold_removal_up(orders, fleet):
    actions.unmark(orders, "test")
    confirm(orders)
    target = orders.application.targets.get(cluster__name="ap-1")
    target.observed_digest = "old"
    target.save()
    lose(fleet["ap-1"])
    assert actions.finish_removal(orders) is True


def test_a_service_that_stays_is_never_finished_off(orders):
    assert actions.finish_removal(orders) is False


def test_a_service_being_removed_is_not_changed(orders):
    actions.unmark(orders, "test")
    with pytest.raises(ActionRefused, match="being removed"):
        actions.change_service(orders, "test", nearest=[])
