"""What the API says about clusters and takes for them. Read shapes are listed field by field."""

from typing import Any

from rest_framework import serializers

from clusters.domain.capacity import Capacity
from clusters.domain.statuses import LIVENESS
from clusters.models import Cluster, Region
from clusters.queries import PoolRegion, PoolRow
from fleet_portal.common.rest import StrictSerializer


class CapacitySerializer(serializers.Serializer[Capacity]):
    """CPU in thousandths of a core, memory in bytes; nodes that are not ready offer nothing."""

    nodes = serializers.IntegerField()
    nodes_ready = serializers.IntegerField()
    cpu_milli = serializers.IntegerField()
    memory_bytes = serializers.IntegerField()
    pods = serializers.IntegerField()
    used_cpu_milli = serializers.IntegerField()
    used_memory_bytes = serializers.IntegerField()
    used_pods = serializers.IntegerField()
    free_cpu_milli = serializers.IntegerField()
    free_memory_bytes = serializers.IntegerField()
    free_pods = serializers.IntegerField()


class LivenessSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField([status.value for status in LIVENESS])
    since = serializers.DateTimeField(allow_null=True)


class ClusterSerializer(serializers.Serializer[Any]):
    """One cluster of a list."""

    name = serializers.CharField(source="cluster.name")
    region = serializers.CharField(source="cluster.region.name", default=None, allow_null=True)
    labels = serializers.DictField(source="cluster.labels", child=serializers.CharField())
    production = serializers.BooleanField(source="cluster.production")
    mode = serializers.ChoiceField(Cluster.MODES, source="cluster.mode")
    liveness = LivenessSerializer()
    server_version = serializers.CharField(source="cluster.server_version")
    agent_version = serializers.CharField(source="cluster.agent_version")
    joined_at = serializers.DateTimeField(source="cluster.joined_at", allow_null=True)
    last_seen_at = serializers.DateTimeField(source="cluster.last_frame_at", allow_null=True)
    capacity = CapacitySerializer()


class StepSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    words = serializers.CharField(source="label")
    status = serializers.ChoiceField(["done", "now", "later", "failed"])
    at = serializers.DateTimeField(allow_null=True)
    hint = serializers.CharField()


class ScopeSerializer(serializers.Serializer[Any]):
    project = serializers.CharField(source="project.slug")
    namespaces = serializers.ListField(child=serializers.CharField())


class CheckSerializer(serializers.Serializer[Any]):
    what = serializers.CharField()
    ok = serializers.BooleanField()
    message = serializers.CharField()


class ClusterDetailSerializer(ClusterSerializer):
    """One cluster with its way to ready, its projects and its access test."""

    impersonation = serializers.ChoiceField(Cluster.IMPERSONATION, source="cluster.impersonation")
    prometheus = serializers.CharField(source="cluster.prometheus")
    api_reachable = serializers.BooleanField(source="cluster.api_reachable", allow_null=True)
    access_passed = serializers.BooleanField(source="cluster.access_passed", allow_null=True)
    access_checks = CheckSerializer(source="cluster.access_checks", many=True)
    ready = serializers.BooleanField()
    steps = StepSerializer(many=True)
    scopes = ScopeSerializer(many=True)


class RegisterSerializer(StrictSerializer):
    """A cluster to be joined. `scopes` maps a project to the namespaces it may use."""

    name = serializers.CharField()
    region = serializers.CharField(required=False, allow_blank=True, default="")
    labels = serializers.DictField(
        child=serializers.CharField(allow_blank=True), required=False, default=dict
    )
    mode = serializers.ChoiceField(Cluster.MODES, default="manage")
    impersonation = serializers.ChoiceField(Cluster.IMPERSONATION, default="legacy")
    production = serializers.BooleanField(default=False)
    scopes = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), required=False, default=dict
    )
    prometheus = serializers.CharField(
        required=False, allow_blank=True, default="istio-system/prometheus:9090"
    )


class ChangeSerializer(StrictSerializer):
    """What may be changed; members that are absent stay."""

    name = serializers.CharField(required=False)
    region = serializers.CharField(required=False)
    labels = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    production = serializers.BooleanField(required=False)
    scopes = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="Project -> namespaces; an empty list ends the project's scope. Others stay.",
    )


class RejoinSerializer(StrictSerializer):
    mode = serializers.ChoiceField(Cluster.MODES, required=False)
    impersonation = serializers.ChoiceField(Cluster.IMPERSONATION, required=False)
    rebuilt = serializers.BooleanField(required=False, default=False)


class JoinSerializer(serializers.Serializer[Any]):
    """The one command to run in the cluster, and how long it is good."""

    name = serializers.CharField()
    command = serializers.CharField()
    address = serializers.URLField()
    expires_at = serializers.DateTimeField()


class LeftoversSerializer(serializers.Serializer[Any]):
    """Commands that delete in the cluster what its manifest made."""

    commands = serializers.ListField(child=serializers.CharField())


class RegionSerializer(serializers.ModelSerializer[Region]):
    clusters = serializers.IntegerField(source="cluster_count", read_only=True)

    class Meta:
        model = Region
        fields = ("name", "label", "clusters")


class PoolZoneSerializer(serializers.Serializer[Any]):
    zone = serializers.CharField()
    capacity = CapacitySerializer()


class PoolClusterSerializer(serializers.Serializer[PoolRow]):
    name = serializers.CharField(source="cluster.name")
    liveness = LivenessSerializer()
    capacity = CapacitySerializer()
    zones = serializers.SerializerMethodField()

    def get_zones(self, row: PoolRow) -> list[dict[str, Any]]:
        parts = [{"zone": zone, "capacity": capacity} for zone, capacity in row.zones]
        return list(PoolZoneSerializer(parts, many=True).data)


class PoolRegionSerializer(serializers.Serializer[PoolRegion]):
    region = serializers.CharField(source="name")
    capacity = CapacitySerializer()
    clusters = serializers.IntegerField()
    away = serializers.IntegerField()


class PoolSerializer(serializers.Serializer[Any]):
    """All there is to use; `clusters` is filled where one region is asked for.

    Clusters that can't be asked now are listed, and count as nothing.
    """

    capacity = CapacitySerializer()
    away = serializers.IntegerField()
    regions = PoolRegionSerializer(many=True)
    clusters = PoolClusterSerializer(many=True)


class TokenSerializer(serializers.Serializer[Any]):
    """A bearer token of the caller for `/k8s/clusters/<name>/`; shown once."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
