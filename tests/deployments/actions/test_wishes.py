"""Only what differs is sent: sequences grow with changes and with nothing else."""

import pytest
from django.db import transaction
from django.utils import timezone

from clusters.models import Cluster
from deployments.actions.wishes import Wish, set_wishes
from deployments.models import Application, DesiredSet, Target
from tests.deployments.factories import make_application, make_connected_cluster, make_revision

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster() -> Cluster:
    return make_connected_cluster("eu-1")


@pytest.fixture
def app(cluster: Cluster) -> Application:
    return make_application()


def wish(app: Application, cluster: Cluster, **values: object) -> list[int]:
    revision = app.revisions.first()
    assert revision is not None
    defaults = {"digest": revision.digest, "revision": revision, "replicas": {}}
    with transaction.atomic():
        return set_wishes(app, {cluster.pk: Wish(**{**defaults, **values})})  # type: ignore[arg-type]


def sequence() -> int:
    return DesiredSet.objects.get().sequence


def test_a_new_wish_is_sent(app: Application, cluster: Cluster) -> None:
    assert wish(app, cluster) == [cluster.pk]
    assert (sequence(), Target.objects.get().sync) == (1, "pending")


def test_the_same_wish_again_is_not(app: Application, cluster: Cluster) -> None:
    wish(app, cluster)
    assert wish(app, cluster) == []
    assert sequence() == 1


def test_other_replicas_are_sent_and_leave_the_sync_word(
    app: Application, cluster: Cluster
) -> None:
    wish(app, cluster)
    Target.objects.update(sync="synced")
    wish(app, cluster, replicas={"x": 1})
    assert (sequence(), Target.objects.get().sync) == (2, "synced")


def test_the_same_content_under_a_new_number_is_not_sent(
    app: Application, cluster: Cluster
) -> None:
    wish(app, cluster)
    first = app.revisions.get()
    newer = make_revision(app)
    wish(app, cluster, revision=newer, digest=first.digest)
    assert sequence() == 1
    assert Target.objects.get().revision == newer


def test_what_was_never_sent_is_dropped_at_once(app: Application, cluster: Cluster) -> None:
    wish(app, cluster)
    with transaction.atomic():
        set_wishes(app, {}, [cluster.pk])
    assert not Target.objects.exists()


def test_what_is_being_removed_can_be_wanted_again(app: Application, cluster: Cluster) -> None:
    wish(app, cluster)
    DesiredSet.objects.update(tried_at=timezone.now())
    with transaction.atomic():
        set_wishes(app, {}, [cluster.pk])
    assert Target.objects.get().removing
    wish(app, cluster)
    assert not Target.objects.get().removing
    assert sequence() == 3
