"""The portal's own applications: content by cluster, at once, without waves."""

from typing import Any

import pytest
from django.utils import timezone

from clusters.models import Cluster
from deployments import actions
from deployments.models import Application, DesiredSet, Revision, Rollout, Target
from fleet_portal.common.errors import ActionRefused
from tests.deployments.factories import CONFIG, make_application, make_connected_cluster, report
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet() -> list[Cluster]:
    return [make_connected_cluster(name) for name in ("eu-1", "eu-2")]


def set_mesh(contents: dict[int, list[Any]]) -> Application:
    return actions.set_system_application("mesh-web", "shop", "default", contents, "test")


def config(value: str) -> dict[str, Any]:
    return {**CONFIG, "data": {"a": value}}


def test_each_cluster_gets_its_own(fleet: list[Cluster]) -> None:
    application = set_mesh({fleet[0].pk: [config("1")], fleet[1].pk: [config("2")]})
    assert application.system
    assert Target.objects.values_list("desired_digest", flat=True).distinct().count() == 2
    assert not Rollout.objects.exists()


def test_nothing_new_makes_no_revision_and_sends_nothing(fleet: list[Cluster]) -> None:
    for _time in range(2):
        set_mesh({fleet[0].pk: [config("1")]})
    assert Revision.objects.count() == 1
    assert DesiredSet.objects.get().sequence == 1


def test_a_change_in_one_cluster_is_sent_there_alone(fleet: list[Cluster]) -> None:
    set_mesh({fleet[0].pk: [config("1")], fleet[1].pk: [config("1")]})
    set_mesh({fleet[0].pk: [config("2")], fleet[1].pk: [config("1")]})
    assert dict(DesiredSet.objects.values_list("cluster__name", "sequence")) == {
        "eu-1": 2,
        "eu-2": 1,
    }


def test_a_cluster_that_is_left_out_loses_it(fleet: list[Cluster]) -> None:
    set_mesh({cluster.pk: [config("1")] for cluster in fleet})
    DesiredSet.objects.update(tried_at=timezone.now())
    set_mesh({fleet[0].pk: [config("1")], fleet[1].pk: []})
    assert Target.objects.get(cluster=fleet[1]).removing
    report(fleet[1], sequence=2)
    assert not Target.objects.filter(cluster=fleet[1]).exists()


def test_people_can_not_edit_it(fleet: list[Cluster]) -> None:
    application = set_mesh({fleet[0].pk: [config("1")]})
    with pytest.raises(ActionRefused, match="is the portal's own application"):
        actions.save_revision(make_user(role="administrator"), application, [CONFIG])


def test_a_name_of_people_is_never_taken_over(fleet: list[Cluster]) -> None:
    make_application("mesh-web")
    with pytest.raises(ActionRefused, match="has an application mesh-web of its own"):
        set_mesh({fleet[0].pk: [config("1")]})


def test_old_revisions_are_not_kept_for_ever(fleet: list[Cluster]) -> None:
    for number in range(25):
        set_mesh({fleet[0].pk: [config(str(number))]})
    assert Revision.objects.count() == 20
    assert Revision.objects.first().number == 25  # type: ignore[union-attr]


def test_removing_it_waits_for_the_agents(fleet: list[Cluster]) -> None:
    application = set_mesh({fleet[0].pk: [config("1")]})
    DesiredSet.objects.update(tried_at=timezone.now())
    assert actions.remove_system_application(application, "test") is False
    report(fleet[0], sequence=2)
    assert not Application.objects.exists()


def test_it_may_come_back_while_it_is_being_removed(fleet: list[Cluster]) -> None:
    application = set_mesh({fleet[0].pk: [config("1")]})
    DesiredSet.objects.update(tried_at=timezone.now())
    actions.remove_system_application(application, "test")
    again = set_mesh({fleet[0].pk: [config("1")]})
    assert again.deleting_at is None
    report(fleet[0], sequence=2)
    assert Target.objects.filter(removing=False).exists()
