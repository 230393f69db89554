from datetime import timedelta

import pytest
from django.utils import timezone

from deployments import actions
from deployments.blobs import (
    entries_of,
    forget_unused,
    load_content,
    load_objects,
    store_objects,
)
from deployments.models import ObjectBlob, Rendering, Revision
from tests.deployments.domain.facts import content
from tests.deployments.factories import WEB, make_application, make_connected_cluster, make_rollout

pytestmark = pytest.mark.django_db


def test_content_is_kept_once() -> None:
    found = content()
    for _time in range(2):
        store_objects(found.digest, found.objects)
    assert (ObjectBlob.objects.count(), Rendering.objects.count()) == (1, 1)


def test_what_was_stored_reads_back_byte_for_byte() -> None:
    make_connected_cluster("eu-1")
    revision = make_application().revisions.get()
    loaded = load_content(revision)
    assert loaded.digest == revision.digest
    assert loaded.replicas == {WEB: 2}


def test_objects_come_in_the_order_of_their_entries() -> None:
    services = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}} for name in "ba"
    ]
    found = content(*services)
    store_objects(found.digest, found.objects)
    entries = entries_of([found.digest])[found.digest]
    assert [obj["metadata"]["name"] for obj in load_objects(entries)] == ["b", "a"]


def test_what_nothing_names_is_forgotten_after_a_while() -> None:
    make_connected_cluster("eu-1")
    make_application()
    unused = content()
    store_objects(unused.digest, unused.objects)
    now = timezone.now()
    assert forget_unused(now - timedelta(days=1)) == 0
    assert forget_unused(now + timedelta(seconds=1)) == 1
    assert Rendering.objects.get().digest == Revision.objects.get().digest
    assert ObjectBlob.objects.count() == 1


def test_what_is_wanted_again_stays() -> None:
    found = content()
    store_objects(found.digest, found.objects)
    Rendering.objects.update(stored_at=timezone.now() - timedelta(days=2))
    ObjectBlob.objects.update(stored_at=timezone.now() - timedelta(days=2))
    store_objects(found.digest, found.objects)
    assert forget_unused(timezone.now() - timedelta(days=1)) == 0


def test_contents_by_cluster_and_in_rollouts_are_named() -> None:
    cluster = make_connected_cluster("eu-1")
    objects = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    actions.set_system_application("mesh", "shop", "default", {cluster.pk: [objects]}, "test")
    application = make_application()
    operation = {"op": "image", "tag": "9"}
    override = {"name": "o", "selector": {"regions": ["eu"]}, "operations": [operation]}
    actions.set_overrides("test", application, [override])
    make_rollout(application)
    before = Rendering.objects.count()
    forget_unused(timezone.now() + timedelta(seconds=1))
    assert Rendering.objects.count() == before
