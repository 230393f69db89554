"""What exists: regions, clusters, agents' credentials, nodes. Written in `actions.py`."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from clusters.domain.liveness import TunnelFacts
from fleet_portal.common.models import Project, User

NAME = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?\Z",
    _("Use lower-case letters, digits and hyphens; begin and end with a letter or digit."),
)


class Region(models.Model):
    """A named place that holds clusters; the unit of failover."""

    name = models.CharField(_("name"), max_length=50, unique=True, validators=[NAME])
    label = models.CharField(_("label"), max_length=100, blank=True)

    class Meta:
        ordering = ("name",)
        verbose_name = _("region")
        verbose_name_plural = _("regions")

    def __str__(self) -> str:
        return self.name


class Cluster(models.Model):
    """One Kubernetes cluster: what was asked for, and what its agent last told.

    Facts of the tunnel (`session`, `tunnel_state`, `last_frame_at`) come from the gateway; what
    they mean now is `domain/liveness.py`'s word, since a row can't know that it grew old.
    """

    MODES: ClassVar = [("observe", _("observe")), ("use", _("use")), ("manage", _("manage"))]
    IMPERSONATION: ClassVar = [
        ("legacy", _("any Kubernetes version")),
        ("constrained", _("Kubernetes 1.36 or newer")),
    ]

    name = models.CharField(_("name"), max_length=50, unique=True, validators=[NAME])
    region = models.ForeignKey(
        Region,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="clusters",
        verbose_name=_("region"),
    )
    labels = models.JSONField(_("labels"), default=dict, blank=True)
    production = models.BooleanField(_("production"), default=False)
    mode = models.CharField(_("access mode"), max_length=10, choices=MODES, default="manage")
    impersonation = models.CharField(
        _("impersonation"), max_length=12, choices=IMPERSONATION, default="legacy"
    )
    # Where this cluster keeps its Prometheus: namespace/service:port, read by the service proxy.
    prometheus_namespace = models.CharField(max_length=63, blank=True, default="istio-system")
    prometheus_service = models.CharField(max_length=63, blank=True, default="prometheus")
    prometheus_port = models.PositiveIntegerField(default=9090)

    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # kube-system's UID: set at the first enrolment, then a different cluster can't take the name.
    uid = models.CharField(max_length=64, blank=True, default="", db_index=True)
    joined_at = models.DateTimeField(null=True, blank=True)
    reached_at = models.DateTimeField(null=True, blank=True)
    connected_at = models.DateTimeField(null=True, blank=True)
    access_tested_at = models.DateTimeField(null=True, blank=True)
    access_passed = models.BooleanField(null=True, blank=True)
    access_checks = models.JSONField(default=list, blank=True)

    # The fleet names that the manifest last handed out lists, {"users": [...], "groups": [...]}:
    # the cluster refuses a request that carries any other, so no other is sent.
    listed_names = models.JSONField(default=dict, blank=True)

    session = models.CharField(max_length=64, blank=True, default="")
    tunnel_state = models.CharField(max_length=10, default="pending")
    last_frame_at = models.DateTimeField(null=True, blank=True)
    away_since = models.DateTimeField(null=True, blank=True)
    close_reason = models.CharField(max_length=255, blank=True, default="")
    agent_version = models.CharField(max_length=40, blank=True, default="")

    api_reachable = models.BooleanField(null=True, blank=True)
    api_since = models.DateTimeField(null=True, blank=True)
    api_message = models.CharField(max_length=255, blank=True, default="")
    server_version = models.CharField(max_length=40, blank=True, default="")

    pods_running = models.PositiveIntegerField(default=0)
    pods_pending = models.PositiveIntegerField(default=0)
    inventory_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name",)
        verbose_name = _("cluster")
        verbose_name_plural = _("clusters")

    def __str__(self) -> str:
        return self.name

    @property
    def tunnel_facts(self) -> TunnelFacts:
        """Return what `domain.liveness` judges by."""
        return TunnelFacts(
            tunnel_state=self.tunnel_state,
            connected_once=self.connected_at is not None,
            last_frame_at=self.last_frame_at,
            away_since=self.away_since,
            api_reachable=self.api_reachable,
            api_since=self.api_since,
        )

    @property
    def prometheus(self) -> str:
        """Return `namespace/service:port`, or nothing where there is none."""
        if not self.prometheus_namespace or not self.prometheus_service:
            return ""
        return f"{self.prometheus_namespace}/{self.prometheus_service}:{self.prometheus_port}"


class Node(models.Model):
    """One node as its cluster last reported it; capacity is allocatable, used is requested."""

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="nodes")
    name = models.CharField(max_length=253)
    region = models.CharField(max_length=63, blank=True, default="")
    zone = models.CharField(max_length=63, blank=True, default="")
    ready = models.BooleanField(default=False)
    kubelet_version = models.CharField(max_length=40, blank=True, default="")
    cpu_milli = models.BigIntegerField(default=0)
    memory_bytes = models.BigIntegerField(default=0)
    pods = models.IntegerField(default=0)
    used_cpu_milli = models.BigIntegerField(default=0)
    used_memory_bytes = models.BigIntegerField(default=0)
    used_pods = models.IntegerField(default=0)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(fields=["cluster", "name"], name="node_once_per_cluster")
        ]

    def __str__(self) -> str:
        return self.name


class JoinToken(models.Model):
    """Lets one agent enrol once for one cluster, within its life; found by its hash alone."""

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="join_tokens")
    token_hash = models.CharField(max_length=64, unique=True)
    # The token itself, encrypted, so that the join command can be shown again; emptied once it
    # was used or ran out.
    sealed = models.BinaryField(default=bytes, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    fetched_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.cluster} {self.created_at:%Y-%m-%d %H:%M}"


class AgentCertificate(models.Model):
    """A certificate that the portal's authority gave to a cluster's agent."""

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="agent_certificates")
    serial = models.CharField(max_length=64, unique=True)
    not_after = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.serial


class ClusterEvent(models.Model):
    """What happened to a cluster, for its page and the history: joined, lost, back, moved."""

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    kind = models.CharField(max_length=40)
    message = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.cluster} {self.kind}"


class ProjectScope(models.Model):
    """Names the namespaces of one cluster that one project may use."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="scopes")
    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="scopes")
    namespaces = models.JSONField(_("namespaces"), default=list)

    class Meta:
        ordering = ("project", "cluster")
        constraints = [
            models.UniqueConstraint(fields=["project", "cluster"], name="project_scope_once")
        ]

    def __str__(self) -> str:
        return f"{self.project} @ {self.cluster}"


class PortalKey(models.Model):
    """A private key of the portal, encrypted with a key derived from FLEET_SECRET_KEY.

    `kind`: authority (signs agents' and the gateway's certificates; its `public_pem` is the
    certificate), gateway (agents pin it), assertion (signs requests and desired sets). Several of
    the last may be active at once, so that rotation overlaps.
    """

    KINDS: ClassVar = [
        ("authority", "authority"),
        ("gateway", "gateway"),
        ("assertion", "assertion"),
    ]

    kind = models.CharField(max_length=12, choices=KINDS)
    key_id = models.CharField(max_length=32, unique=True)
    private_pem = models.BinaryField()
    public_pem = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.kind} {self.key_id}"


class PersonToken(models.Model):
    """A short-lived credential of a person for `/k8s/clusters/…`. Only the hash is kept."""

    user = models.ForeignKey(User, models.CASCADE, related_name="person_tokens")
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.user} until {self.expires_at:%Y-%m-%d %H:%M:%S}"


class SpentProof(models.Model):
    """The `jti` of an agent's signed proof that was taken: a second one is a replay."""

    jti = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.jti
