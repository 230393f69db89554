from fleet_portal.demo.apiserver.objects import Deletion
from fleet_portal.demo.apiserver.store import Change
from fleet_portal.demo.controllers import lifecycle
from fleet_portal.demo.controllers.base import owner_reference

from ..conftest import Recorder, config_map, kind

MAPS, SECRETS = kind("ConfigMap"), kind("Secret")


def owned(context: Recorder):
    """Store a ConfigMap and a Secret that it owns."""
    owner = context.objects.create(MAPS, config_map("owner"), "me")
    metadata = {"name": "owned", "namespace": "shop", "ownerReferences": [owner_reference(owner)]}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    context.objects.create(SECRETS, secret, "me")
    return owner


def delete(context: Recorder, propagation: str) -> None:
    seen = context.store.revision
    context.objects.delete(MAPS, "shop", "owner", Deletion(propagation=propagation))
    for change in context.store.since(MAPS, seen):
        lifecycle.collect(context, change)


def test_a_namespace_begins_with_its_account(context: Recorder) -> None:
    lifecycle.reconcile_namespace(context, "", "shop")
    assert context.store.get(kind("ServiceAccount"), "shop", "default")
    assert context.store.get(MAPS, "shop", "kube-root-ca.crt")


def test_an_ending_namespace_is_emptied_and_goes(context: Recorder) -> None:
    context.objects.create(MAPS, config_map(), "me")
    context.objects.delete(kind("Namespace"), "", "shop")
    lifecycle.reconcile_namespace(context, "", "shop")
    assert context.asked == [(0.2, "Namespace", "shop")]
    lifecycle.reconcile_namespace(context, "", "shop")
    assert context.store.get(kind("Namespace"), "", "shop") is None


def test_what_was_owned_goes_with_its_owner(context: Recorder) -> None:
    owned(context)
    delete(context, "Background")
    assert context.store.get(SECRETS, "shop", "owned") is None


def test_orphans_stay_without_their_owner(context: Recorder) -> None:
    owned(context)
    delete(context, "Orphan")
    left = context.store.get(SECRETS, "shop", "owned")
    assert left is not None
    assert "ownerReferences" not in left["metadata"]
    assert context.store.get(MAPS, "shop", "owner") is None


def test_in_the_foreground_the_owner_goes_last(context: Recorder) -> None:
    owned(context)
    delete(context, "Foreground")
    owner = context.store.get(MAPS, "shop", "owner")
    assert owner is not None
    assert context.asked == [(0.2, "ConfigMap", "owner")]
    context.objects.purge(SECRETS, "shop", "owned")
    lifecycle.collect(context, Change(0, "MODIFIED", MAPS, owner, owner))
    assert context.store.get(MAPS, "shop", "owner") is None
