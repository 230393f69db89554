import pytest
from django.test import Client

from clusters.models import Region
from fleet_portal.common.models import AuditEntry
from tests.factories import make_cluster, make_region, make_user

pytestmark = pytest.mark.django_db

PAGES = ["region", "agentcertificate", "clusterevent"]


def logged_in(role: str) -> Client:
    client = Client()
    client.force_login(make_user(role=role))
    return client


@pytest.mark.parametrize("page", PAGES)
def test_administrators_alone(page: str) -> None:
    make_cluster("a")
    address = f"/admin/clusters/{page}/"
    assert logged_in("administrator").get(address).status_code == 200
    assert logged_in("operator").get(address).status_code != 200


def test_what_agents_hold_is_read_only() -> None:
    client = logged_in("administrator")
    assert client.get("/admin/clusters/agentcertificate/add/").status_code == 403


def test_a_region_gets_its_words_and_an_entry() -> None:
    region = make_region("eu")
    client = logged_in("administrator")
    client.post(f"/admin/clusters/region/{region.pk}/change/", {"label": "Europe"})
    assert Region.objects.get().label == "Europe"
    assert AuditEntry.objects.filter(action="region.save").exists()
