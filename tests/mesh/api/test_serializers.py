import pytest
from django.utils import timezone

from mesh.api.serializers import (
    ClusterMeshSerializer,
    EdgeSerializer,
    PeriodSerializer,
)
from mesh.models import StatePeriod, TrafficSample


@pytest.mark.django_db
def test_an_edge_tells_latencies_from_its_buckets(orders, fleet):
    sample = TrafficSample(
        service=orders,
        source=fleet["eu-1"],
        destination=None,
        requests=10,
        buckets={"10.0": 5, "inf": 10},
        sampled_at=timezone.now(),
    )
    body = EdgeSerializer(sample, context={"fresh": set()}).data
    assert (body["destination"], body["destination_region"], body["fresh"]) == (None, None, False)
    assert body["p50_milliseconds"] == 10


@pytest.mark.django_db
def test_a_period_tells_its_cause_in_words_and_as_a_code(orders, fleet):
    period = StatePeriod(
        region=fleet["eu-1"].region,
        service=orders,
        state="degraded",
        cause="errors",
        evidence={"errors": "7"},
        started_at=timezone.now(),
    )
    body = PeriodSerializer(period).data
    assert (body["cause"], body["cause_code"]) == ("7 % of requests fail", "errors")
    assert body["service"] == "shop/orders"


def test_a_cluster_has_the_defaults_of_istio():
    serializer = ClusterMeshSerializer(data={"gateways": []})
    assert serializer.is_valid()
    assert serializer.validated_data["scrape_seconds"] == 15
