import pytest
from django.core.exceptions import ValidationError

from fleet_portal.common.audit import record
from tests.factories import make_cluster, make_user

pytestmark = pytest.mark.django_db


def test_an_entry_says_who_what_and_outcome() -> None:
    actor, cluster = make_user("ada"), make_cluster("eu-1")
    entry = record(actor, "cluster.rename", cluster, outcome="refused", detail={"to": "eu-2"})
    entry.refresh_from_db()
    assert (entry.actor, entry.actor_name, entry.action) == (actor, "ada", "cluster.rename")
    assert (entry.object_kind, entry.object_name) == ("cluster", "eu-1")
    assert (entry.outcome, entry.detail) == ("refused", {"to": "eu-2"})


def test_a_controller_is_named_without_being_a_user() -> None:
    entry = record("controller:rollouts", "rollout.pause")
    assert (entry.actor, entry.actor_name) == (None, "controller:rollouts")


def test_an_entry_is_never_changed() -> None:
    entry = record("agent:eu-1", "cluster.join")
    entry.outcome = "failed"
    with pytest.raises(ValidationError):
        entry.save()


def test_an_entry_is_never_deleted() -> None:
    with pytest.raises(ValidationError):
        record("agent:eu-1", "cluster.join").delete()
