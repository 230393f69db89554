"""Replica counts change at once, and by whom they are counted."""

from typing import Any

import pytest

from deployments import actions
from deployments.models import Application, Target
from fleet_portal.common.errors import ActionRefused
from tests.deployments.factories import (
    WEB,
    deployment,
    make_application,
    make_connected_cluster,
    make_revision,
    make_rollout,
)
from tests.factories import make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fleet() -> None:
    make_connected_cluster("eu-1")


def create(**values: Any) -> Application:
    defaults = {"name": "web", "namespace": "shop", "manifests": [deployment()]}
    return actions.create_application("test", make_project("default"), **{**defaults, **values})


def override(**values: Any) -> dict[str, Any]:
    operation = {"op": "image", "tag": "9"}
    defaults = {"name": "o", "selector": {"regions": ["eu"]}, "operations": [operation]}
    return {**defaults, **values}


def running() -> Application:
    application = make_application()
    actions.advance_rollout(make_rollout(application).pk, application.created_at)
    return application


def test_scaling_changes_targets_at_once_without_a_revision() -> None:
    application = running()
    before = Target.objects.get().sequence
    actions.scale_application("test", application, {WEB: 7})
    target = Target.objects.get()
    assert (target.replicas, target.sequence) == ({WEB: 7}, before + 1)
    assert application.revisions.count() == 1


def test_manifests_that_differ_in_replicas_alone_scale() -> None:
    application = running()
    actions.save_revision("test", application, [deployment(replicas=5)])
    assert Target.objects.get().replicas == {WEB: 5}
    assert application.revisions.count() == 1


def test_replica_overrides_win_over_scaling_and_count_at_once() -> None:
    application = running()
    operation = {"op": "replicas", "replicas": 1}
    actions.set_overrides("test", application, [override(operations=[operation])])
    actions.scale_application("test", application, {WEB: 7})
    assert Target.objects.get().replicas == {WEB: 1}


def test_going_back_keeps_what_was_scaled() -> None:
    application = running()
    make_revision(application, "2", replicas=4)
    actions.advance_rollout(make_rollout(application).pk, application.created_at)
    actions.scale_application("test", application, {WEB: 9})
    first = application.revisions.get(number=1)
    rollout = actions.rollback_application("test", application, first)
    actions.advance_rollout(rollout.pk, application.created_at)
    assert Target.objects.get().replicas == {WEB: 9}


def test_the_first_rollout_of_a_revision_brings_its_own_counts() -> None:
    application = running()
    actions.scale_application("test", application, {WEB: 9})
    make_revision(application, "2", replicas=4)
    assert Target.objects.get().replicas == {WEB: 9}
    actions.advance_rollout(make_rollout(application).pk, application.created_at)
    assert Target.objects.get().replicas == {WEB: 4}


@pytest.mark.parametrize(
    ("replicas", "sentence"),
    [
        ({"apps/Deployment/shop/x": 1}, "has no"),
        ({WEB: -1}, "whole number"),
        ({WEB: True}, "whole"),
    ],
)
def test_refuses_to_scale(replicas: Any, sentence: str) -> None:
    with pytest.raises(ActionRefused, match=sentence):
        actions.scale_application("test", create(), replicas)
