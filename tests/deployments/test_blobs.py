import pytest

from deployments.blobs import entries_of, load_content, load_objects, store_objects
from deployments.models import ObjectBlob, Rendering
from tests.deployments.domain.facts import content
from tests.deployments.factories import WEB, make_application, make_connected_cluster

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
