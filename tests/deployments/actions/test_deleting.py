"""An application is gone when every agent has said so."""

from typing import Any

import pytest
from django.utils import timezone

from deployments import actions
from deployments.models import Application, DesiredSet, Target
from fleet_portal.common.errors import ActionRefused
from tests.deployments.factories import (
    deployment,
    make_application,
    make_connected_cluster,
    make_revision,
    make_rollout,
    report,
    report_well,
)
from tests.factories import make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fleet() -> None:
    make_connected_cluster("eu-1")


def create(**values: Any) -> Application:
    defaults = {"name": "web", "namespace": "shop", "manifests": [deployment()]}
    return actions.create_application("test", make_project("default"), **{**defaults, **values})


def running() -> Application:
    application = make_application()
    actions.advance_rollout(make_rollout(application).pk, application.created_at)
    return application


def told() -> None:
    """Let agents have been told of the sets: then they must confirm."""
    DesiredSet.objects.update(tried_at=timezone.now())


def test_an_application_that_is_nowhere_is_gone_at_once() -> None:
    assert actions.delete_application("test", create()) is True
    assert not Application.objects.exists()


def test_deleting_waits_until_every_agent_confirms() -> None:
    application = running()
    target = Target.objects.select_related("cluster").get()
    report_well(target.cluster)
    told()
    assert actions.delete_application("test", application) is False
    assert Target.objects.get().removing
    report(target.cluster, sequence=Target.objects.get().sequence)
    assert not Application.objects.exists()


def test_an_older_report_does_not_confirm_a_deletion() -> None:
    application = running()
    target = Target.objects.select_related("cluster").get()
    report(target.cluster, sequence=target.sequence)
    assert Target.objects.exists()
    actions.delete_application("test", application)


def test_nothing_can_be_done_to_an_application_being_deleted() -> None:
    application = running()
    told()
    actions.delete_application("test", application)
    with pytest.raises(ActionRefused, match="is being deleted"):
        make_revision(application)


def test_a_cluster_that_left_the_fleet_confirms_nothing() -> None:
    application = running()
    told()
    actions.delete_application("test", application)
    Target.objects.get().cluster.delete()
    actions.finish_deletions()
    assert not Application.objects.exists()
