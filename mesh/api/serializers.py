"""Shapes of the mesh in the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from fleet_portal.common.rest import StrictSerializer
from mesh.domain.traffic import quantile
from mesh.models import MeshService, StatePeriod, TrafficSample
from mesh.queries import cause_text
from mesh.queries.traffic import rates_of


class RegionTrafficSerializer(serializers.Serializer[Any]):
    """One region with its state. Rates are requests a second; null while unknown."""

    region = serializers.CharField(source="region.name")
    state = serializers.CharField(source="status.value")
    since = serializers.DateTimeField()
    cause = serializers.CharField()
    sampled_at = serializers.DateTimeField()
    known = serializers.BooleanField()
    clusters = serializers.IntegerField()
    silent_clusters = serializers.ListField(source="silent", child=serializers.CharField())
    arriving_per_second = serializers.SerializerMethodField()
    arriving_error_percent = serializers.FloatField()
    sent_per_second = serializers.SerializerMethodField()
    elsewhere_percent = serializers.FloatField()

    def get_arriving_per_second(self, row: Any) -> float | None:
        return row.arriving if row.known else None

    def get_sent_per_second(self, row: Any) -> float | None:
        return row.sent if row.known else None


class EdgeSerializer(serializers.ModelSerializer[TrafficSample]):
    """Requests from one cluster to another; without destination: served by nobody."""

    namespace = serializers.CharField(source="service.namespace")
    service = serializers.CharField(source="service.name")
    source = serializers.CharField(source="source.name")  # type: ignore[assignment]
    source_region = serializers.CharField(source="source.region.name", default=None)
    destination = serializers.CharField(source="destination.name", default=None)
    destination_region = serializers.CharField(source="destination.region.name", default=None)
    requests_per_second = serializers.FloatField(source="requests")
    errors_per_second = serializers.FloatField(source="errors")
    p50_milliseconds = serializers.SerializerMethodField()
    p95_milliseconds = serializers.SerializerMethodField()
    fresh = serializers.SerializerMethodField()

    class Meta:
        model = TrafficSample
        fields = (
            "namespace",
            "service",
            "source",
            "source_region",
            "destination",
            "destination_region",
            "requests_per_second",
            "errors_per_second",
            "p50_milliseconds",
            "p95_milliseconds",
            "sampled_at",
            "fresh",
        )

    def get_p50_milliseconds(self, sample: TrafficSample) -> float | None:
        return quantile(rates_of(sample).buckets, 0.5)

    def get_p95_milliseconds(self, sample: TrafficSample) -> float | None:
        return quantile(rates_of(sample).buckets, 0.95)

    def get_fresh(self, sample: TrafficSample) -> bool:
        return sample.source.name in self.context["fresh"]


class PeriodSerializer(serializers.ModelSerializer[StatePeriod]):
    """A stretch of time in one state; without service it is the region's own."""

    region = serializers.CharField(source="region.name")
    service = serializers.SerializerMethodField()
    cause = serializers.SerializerMethodField()
    cause_code = serializers.CharField(source="cause")

    class Meta:
        model = StatePeriod
        fields = (
            "id", "region", "service", "state", "cause", "cause_code", "started_at", "ended_at",
        )  # fmt: skip

    def get_service(self, period: StatePeriod) -> str | None:
        return str(period.service) if period.service else None

    def get_cause(self, period: StatePeriod) -> str:
        return cause_text(period.cause, period.evidence)


class MeshServiceSerializer(serializers.ModelSerializer[MeshService]):
    project = serializers.SlugRelatedField("slug", read_only=True)  # type: ignore[var-annotated]

    class Meta:
        model = MeshService
        fields = (
            "id",
            "project",
            "namespace",
            "name",
            "ports",
            "selector",
            "nearest",
            "hold_down_seconds",
            "removing",
            "error",
            "created_at",
        )
        read_only_fields = fields


class MarkSerializer(StrictSerializer):
    """What a service needs to become reachable across clusters."""

    project = serializers.CharField(max_length=50)
    namespace = serializers.CharField(max_length=63)
    name = serializers.CharField(max_length=63)
    nearest = serializers.ListField(child=serializers.CharField(max_length=50), default=list)
    hold_down_seconds = serializers.FloatField(required=False, allow_null=True, default=None)


class ChangeSerializer(StrictSerializer):
    nearest = serializers.ListField(child=serializers.CharField(max_length=50))
    hold_down_seconds = serializers.FloatField(required=False, allow_null=True, default=None)


class PartSerializer(serializers.Serializer[Any]):
    """What a service is in one cluster. `split`: region -> per cent of its callers' requests."""

    cluster = serializers.CharField(source="cluster.name")
    region = serializers.CharField(source="cluster.region.name", default=None)
    runs_service = serializers.BooleanField(source="placement.runs_service")
    ready = serializers.IntegerField(source="placement.ready")
    total = serializers.IntegerField(source="placement.total")
    own_route = serializers.CharField(source="placement.own_route")
    route_to_add = serializers.CharField(source="route_yaml")
    observed_at = serializers.DateTimeField(source="placement.observed_at")
    error = serializers.CharField(source="placement.error")
    findings = serializers.ListField(child=serializers.CharField())
    split = serializers.DictField(child=serializers.FloatField())
    sync = serializers.CharField(source="sync.value", default=None)
    objects_yaml = serializers.CharField()


class StateSerializer(serializers.Serializer[Any]):
    region = serializers.CharField()
    state = serializers.CharField(source="status.value")
    since = serializers.DateTimeField()
    cause = serializers.CharField()
    sampled_at = serializers.DateTimeField()


class MeshServiceDetailSerializer(MeshServiceSerializer):
    parts = serializers.SerializerMethodField()
    states = serializers.SerializerMethodField()

    class Meta(MeshServiceSerializer.Meta):
        fields = (*MeshServiceSerializer.Meta.fields, "parts", "states")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]

    def get_parts(self, service: MeshService) -> list[dict[str, Any]]:
        return list(PartSerializer(self.context["parts"], many=True).data)

    def get_states(self, service: MeshService) -> list[dict[str, Any]]:
        return list(StateSerializer(self.context["states"], many=True).data)


class ClusterMeshSerializer(StrictSerializer):
    """How a cluster takes part; `gateways`: `address` or `address:port`."""

    gateways = serializers.ListField(child=serializers.CharField(max_length=80))
    network = serializers.CharField(max_length=63, allow_blank=True, default="")
    istio_id = serializers.CharField(max_length=63, allow_blank=True, default="")
    scrape_seconds = serializers.IntegerField(min_value=1, max_value=300, default=15)
