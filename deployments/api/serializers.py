"""What the API says about applications and rollouts, and takes for them."""

from typing import Any

from rest_framework import serializers

from deployments.domain import statuses
from deployments.models import Application, Override, Revision, Rollout
from fleet_portal.common.rest import StrictSerializer


class SelectionSerializer(StrictSerializer):
    """Names clusters; with regions and labels both must hold. `except` leaves clusters out."""

    clusters = serializers.ListField(child=serializers.CharField(), required=False)
    regions = serializers.ListField(child=serializers.CharField(), required=False)
    selector = serializers.CharField(
        required=False, allow_blank=True, help_text="Conditions such as env=prod,tier!=db."
    )

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        # A keyword of Python, so it can't be declared like the others.
        fields["except"] = serializers.ListField(child=serializers.CharField(), required=False)
        return fields


class ApplicationSerializer(serializers.ModelSerializer[Application]):
    """One application of a list, with counts of its clusters."""

    project = serializers.CharField(source="project.slug")
    latest_revision = serializers.IntegerField(allow_null=True)
    target_count = serializers.IntegerField(help_text="Clusters that have it or should.")
    well_count = serializers.IntegerField(help_text="Clusters where it is in sync and healthy.")
    troubled_count = serializers.IntegerField(help_text="Clusters where it is refused or ill.")
    open_rollout = serializers.IntegerField(allow_null=True)
    placement = SelectionSerializer()
    replicas = serializers.DictField(child=serializers.IntegerField())

    class Meta:
        model = Application
        fields = (
            "id", "project", "name", "namespace", "system", "placement", "replicas",
            "latest_revision", "target_count", "well_count", "troubled_count", "open_rollout",
            "created_at", "deleting_at",
        )  # fmt: skip


class ManifestsSerializer(StrictSerializer):
    """Content: YAML text, or a list of objects."""

    manifests = serializers.CharField(
        required=False, trim_whitespace=False, help_text="YAML of one or more objects."
    )
    objects = serializers.ListField(
        child=serializers.DictField(), required=False, help_text="Objects instead of YAML."
    )
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=200)


class NewApplicationSerializer(ManifestsSerializer):
    """A new application; content and placement may follow later."""

    project = serializers.CharField()
    name = serializers.CharField()
    namespace = serializers.CharField()
    placement = SelectionSerializer(required=False)


class RevisionSerializer(serializers.ModelSerializer[Revision]):
    author = serializers.CharField(source="author_name")
    replicas = serializers.DictField(child=serializers.IntegerField())
    running_count = serializers.IntegerField(help_text="Clusters that should have it now.")

    class Meta:
        model = Revision
        fields = (
            "number", "digest", "replicas", "note", "author", "created_at", "running_count",
        )  # fmt: skip


class RevisionDetailSerializer(RevisionSerializer):
    manifests = serializers.CharField(help_text="YAML; values of Secrets are hidden.")

    class Meta(RevisionSerializer.Meta):
        fields = (*RevisionSerializer.Meta.fields, "manifests")  # type: ignore[assignment]


class OverrideSerializer(StrictSerializer, serializers.ModelSerializer[Override]):
    """One override. An operation has `op` (image, env, replicas, resources), optional `workload`
    and `container`, and the members of its kind."""

    selector = SelectionSerializer()
    operations = serializers.ListField(child=serializers.DictField())
    priority = serializers.IntegerField(required=False, default=0)

    class Meta:
        model = Override
        fields = ("name", "priority", "selector", "operations")


class ScaleSerializer(StrictSerializer):
    """Object id (`apps/Deployment/<namespace>/<name>`) -> replicas in each cluster."""

    replicas = serializers.DictField(child=serializers.IntegerField(min_value=0))


class DecisionSerializer(serializers.Serializer[Any]):
    cluster = serializers.CharField(source="decision.cluster.name")
    chosen = serializers.BooleanField(source="decision.chosen")
    why = serializers.CharField()
    overrides = serializers.ListField(child=serializers.CharField())


class DecisionsSerializer(serializers.Serializer[Any]):
    """`refusal`: why no cluster is chosen; empty when some are."""

    refusal = serializers.CharField(allow_blank=True)
    decisions = DecisionSerializer(many=True)


class SeenObjectSerializer(serializers.Serializer[Any]):
    group = serializers.CharField(allow_blank=True)
    version = serializers.CharField(allow_blank=True)
    kind = serializers.CharField()
    namespace = serializers.CharField(allow_blank=True)
    name = serializers.CharField()
    sync = serializers.CharField()
    health = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    message = serializers.CharField(allow_blank=True)
    drift = serializers.ListField(child=serializers.CharField())


class TargetSerializer(serializers.Serializer[Any]):
    """One cluster of an application. `health` is unknown while the cluster is away."""

    cluster = serializers.CharField(source="target.cluster.name")
    region = serializers.CharField(
        source="target.cluster.region.name", default=None, allow_null=True
    )
    liveness = serializers.CharField(source="liveness.status")
    away_since = serializers.DateTimeField(source="liveness.since", allow_null=True)
    revision = serializers.IntegerField(
        source="target.revision.number", default=None, allow_null=True
    )
    arrived = serializers.BooleanField(source="revision_there")
    removing = serializers.BooleanField(source="target.removing")
    sync = serializers.ChoiceField([s.value for s in statuses.SYNC], source="sync.value")
    health = serializers.ChoiceField([s.value for s in statuses.HEALTH], source="health.value")
    ready = serializers.IntegerField(source="target.ready")
    desired = serializers.IntegerField(source="target.desired")
    replicas = serializers.DictField(source="target.replicas", child=serializers.IntegerField())
    reason = serializers.CharField(source="target.reason", allow_blank=True)
    message = serializers.CharField(source="target.message", allow_blank=True)
    observed_at = serializers.DateTimeField(source="target.observed_at", allow_null=True)
    drift_repaired_at = serializers.DateTimeField(
        source="target.drift_repaired_at", allow_null=True
    )
    objects = SeenObjectSerializer(source="target.objects_seen", many=True)


class ObjectPreviewSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    namespace = serializers.CharField()
    name = serializers.CharField()
    effect = serializers.CharField(
        help_text="create, change, same, remove, refused or unknown (can't be tried yet)."
    )
    diff = serializers.CharField(allow_blank=True)
    message = serializers.CharField(allow_blank=True)


class PreviewGroupSerializer(serializers.Serializer[Any]):
    """Clusters that would get exactly the same. `why_not`: why they could not be asked."""

    clusters = serializers.ListField(child=serializers.CharField())
    overrides = serializers.ListField(child=serializers.CharField())
    why_not = serializers.CharField(allow_blank=True)
    objects = ObjectPreviewSerializer(many=True)


class PreviewSerializer(serializers.Serializer[Any]):
    revision = serializers.IntegerField(source="revision.number")
    groups = PreviewGroupSerializer(many=True)
    notes = serializers.ListField(child=serializers.CharField())


class DeletionSerializer(serializers.Serializer[Any]):
    """`gone`: nothing was left to remove; else each cluster confirms first."""

    gone = serializers.BooleanField()


class WaveSpecSerializer(SelectionSerializer):
    """One wave: the clusters it takes of those that earlier waves left."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=50)
    soak_seconds = serializers.FloatField(required=False, min_value=0)


class StartSerializer(StrictSerializer):
    """What to roll out and how. A last wave `rest` always takes every cluster that is left."""

    application = serializers.IntegerField()
    revision = serializers.IntegerField(required=False, help_text="A number; absent: the latest.")
    waves = WaveSpecSerializer(many=True, required=False, default=list)
    soak_seconds = serializers.FloatField(required=False, min_value=0)
    max_failed = serializers.IntegerField(required=False, min_value=0, default=0)
    deadline_seconds = serializers.FloatField(required=False, min_value=1, default=600.0)


class BackSerializer(StrictSerializer):
    revision = serializers.IntegerField()


class RolloutSerializer(serializers.ModelSerializer[Rollout]):
    application = serializers.CharField(source="application.name")
    application_id = serializers.IntegerField()
    project = serializers.CharField(source="application.project.slug")
    revision = serializers.IntegerField(source="revision.number")
    state = serializers.ChoiceField([status.value for status in statuses.ROLLOUT])
    started_by = serializers.CharField(source="started_by_name")

    class Meta:
        model = Rollout
        fields = (
            "id", "application", "application_id", "project", "revision", "kind", "state",
            "state_since", "reason", "message", "max_failed", "deadline_seconds", "started_by",
            "created_at", "finished_at",
        )  # fmt: skip


class WaveTargetSerializer(serializers.Serializer[Any]):
    cluster = serializers.CharField()
    state = serializers.ChoiceField([status.value for status in statuses.WAVE_TARGET])
    since = serializers.DateTimeField()
    removal = serializers.BooleanField()
    ready = serializers.IntegerField()
    desired = serializers.IntegerField()
    sync = serializers.CharField()
    health = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    message = serializers.CharField(allow_blank=True)


class WaveSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    name = serializers.CharField()
    state = serializers.ChoiceField([status.value for status in statuses.WAVE])
    since = serializers.DateTimeField()
    soak_seconds = serializers.FloatField()
    targets = WaveTargetSerializer(many=True)


class WaitSerializer(serializers.Serializer[Any]):
    """Why it waits: one sentence, since when, until when at the latest."""

    sentence = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True)


class RolloutDetailSerializer(serializers.Serializer[Any]):
    rollout = RolloutSerializer()
    waves = WaveSerializer(many=True)
    waits = WaitSerializer(many=True)
    notes = serializers.ListField(child=serializers.CharField())
