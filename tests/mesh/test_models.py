import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from clusters.models import Region
from mesh.domain.stubs import Failover, Gateway
from mesh.models import ClusterMesh, MeshService, StatePeriod, TrafficSample

NOW = timezone.now()


def test_gateways_are_read_and_written_as_people_do():
    gateways = [{"address": "10.0.0.1", "port": 443}, {"address": "fd00::1", "port": 15443}]
    mesh = ClusterMesh(gateways=gateways)
    assert mesh.entrances == (Gateway("10.0.0.1", 443), Gateway("fd00::1", 15443))
    assert mesh.entrance_texts == ["10.0.0.1:443", "[fd00::1]:15443"]


def test_failover_settings_fall_back_to_the_defaults():
    service = MeshService(failover={"base_ejection_seconds": 3})
    assert service.failover_settings == Failover(base_ejection_seconds=3)


@pytest.mark.django_db
def test_a_name_is_shared_once(orders, project):
    with pytest.raises(IntegrityError), transaction.atomic():
        MeshService.objects.create(project=project, namespace="shop", name="orders")


@pytest.mark.django_db
@pytest.mark.parametrize("served", [True, False])
def test_an_edge_has_one_row(orders, fleet, served):
    values = {"service": orders, "source": fleet["eu-1"], "sampled_at": NOW}
    values["destination"] = fleet["us-1"] if served else None
    TrafficSample.objects.create(**values)
    with pytest.raises(IntegrityError), transaction.atomic():
        TrafficSample.objects.create(**values)


@pytest.mark.django_db
@pytest.mark.parametrize("of_service", [True, False])
def test_a_lane_has_one_open_period(orders, of_service):
    values = {
        "region": Region.objects.first(),
        "service": orders if of_service else None,
        "state": "healthy",
        "cause": "clean",
        "started_at": NOW,
    }
    StatePeriod.objects.create(**values)
    with pytest.raises(IntegrityError), transaction.atomic():
        StatePeriod.objects.create(**values)
