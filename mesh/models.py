"""How requests travel: services shared across clusters, what was measured, which state follows.

Written in `actions.py` alone. What a state means and when it changes is `domain/states.py`.
"""

from __future__ import annotations

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clusters.models import Cluster, Region
from deployments.models import Application
from fleet_portal.common.models import Project
from mesh.domain import stubs
from mesh.domain.services import Port, Service
from mesh.domain.statuses import STATES, UNKNOWN

KUBE_NAME = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
    _("Use lower-case letters, digits and hyphens; begin and end with a letter or digit."),
)


class ClusterMesh(models.Model):
    """How one cluster takes part: where others enter it, and what its Prometheus last said.

    `gateways`: list of {"address", "port"}. `istio_id`: the cluster's name in Istio's metrics;
    empty: the cluster's name here.
    """

    cluster = models.OneToOneField(Cluster, models.CASCADE, related_name="mesh")
    gateways = models.JSONField(_("gateway addresses"), default=list, blank=True)
    network = models.CharField(_("network"), max_length=63, blank=True, default="")
    istio_id = models.CharField(_("name in Istio"), max_length=63, blank=True, default="")
    scrape_seconds = models.PositiveIntegerField(
        _("scrape interval (seconds)"), default=15, validators=[MinValueValidator(1)]
    )

    asked_at = models.DateTimeField(null=True, blank=True)
    # Newest scrape behind the numbers: their age is told from this, not from when it was asked.
    sampled_at = models.DateTimeField(null=True, blank=True)
    scraped_share = models.FloatField(null=True, blank=True)
    error = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        ordering = ("cluster__name",)
        verbose_name = _("cluster in the mesh")
        verbose_name_plural = _("clusters in the mesh")

    def __str__(self) -> str:
        return self.cluster.name

    @property
    def entrances(self) -> tuple[stubs.Gateway, ...]:
        return tuple(stubs.Gateway(item["address"], int(item["port"])) for item in self.gateways)

    @property
    def entrance_texts(self) -> list[str]:
        """Return the gateways as people write them."""
        return [
            f"[{gate.address}]:{gate.port}"
            if ":" in gate.address
            else f"{gate.address}:{gate.port}"
            for gate in self.entrances
        ]


class MeshService(models.Model):
    """A service name that is reachable across clusters.

    `ports`: list of {"number", "name", "protocol", "target"}; `nearest`: region names in the
    order in which callers leave their own. `failover`: fields of `stubs.Failover` that differ
    from its defaults. `removing`: routes are being taken away, then everything else.
    """

    project = models.ForeignKey(
        Project, models.PROTECT, related_name="mesh_services", verbose_name=_("project")
    )
    namespace = models.CharField(_("namespace"), max_length=63, validators=[KUBE_NAME])
    name = models.CharField(_("name"), max_length=63, validators=[KUBE_NAME])
    ports = models.JSONField(default=list)
    selector = models.JSONField(default=dict)
    service_account = models.CharField(_("service account"), max_length=253, blank=True, default="")
    nearest = models.JSONField(_("order of regions"), default=list, blank=True)
    failover = models.JSONField(default=dict, blank=True)
    hold_down_seconds = models.FloatField(
        _("a return must hold for (seconds)"), default=600.0, validators=[MinValueValidator(0)]
    )
    application = models.ForeignKey(
        Application, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # What `application` was last given: the same objects are not handed over again.
    distributed = models.CharField(max_length=64, blank=True, default="")
    removing = models.BooleanField(default=False)
    error = models.CharField(max_length=512, blank=True, default="")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ("namespace", "name")
        verbose_name = _("mesh service")
        verbose_name_plural = _("mesh services")
        constraints = [
            models.UniqueConstraint(
                fields=["namespace", "name"],
                name="mesh_service_once",
                violation_error_message=_("This service is reachable across clusters already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def live_key(self) -> str:
        """Name this service and its system application to the page that shows both."""
        return f"{self.pk}-{self.application_id}" if self.application_id else str(self.pk)

    @property
    def service(self) -> Service:
        ports = tuple(Port(**port) for port in self.ports)
        return Service(self.name, self.namespace, ports, self.selector, self.service_account)

    @property
    def failover_settings(self) -> stubs.Failover:
        return stubs.Failover(**self.failover)


class ServicePlacement(models.Model):
    """What one cluster holds of one service, as last read there.

    `zones`: zone -> [ready, total] endpoints. `own_route`: a VirtualService of the owners' own.
    """

    service = models.ForeignKey(MeshService, models.CASCADE, related_name="placements")
    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="+")
    runs_service = models.BooleanField(default=False)
    own_route = models.CharField(max_length=253, blank=True, default="")
    # Callers are sent to the stub only after the cluster has confirmed that it holds it.
    routed = models.BooleanField(default=False)
    zones = models.JSONField(default=dict)
    ready = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    observed_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=512, blank=True, default="")

    class Meta:
        ordering = ("cluster__name",)
        constraints = [
            models.UniqueConstraint(fields=["service", "cluster"], name="service_placement_once")
        ]

    def __str__(self) -> str:
        return f"{self.service} @ {self.cluster}"


class TrafficSample(models.Model):
    """The latest measurement of one edge; without destination: requests that nobody served.

    Rates a second. `buckets`: upper bound in milliseconds (text, "inf") -> cumulative rate.
    """

    service = models.ForeignKey(MeshService, models.CASCADE, related_name="samples")
    source = models.ForeignKey(Cluster, models.CASCADE, related_name="+")
    destination = models.ForeignKey(
        Cluster, models.CASCADE, null=True, blank=True, related_name="+"
    )
    requests = models.FloatField(default=0.0)
    errors = models.FloatField(default=0.0)
    buckets = models.JSONField(default=dict)
    sampled_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["service", "source", "destination"], name="traffic_sample_once"
            ),
            models.UniqueConstraint(
                fields=["service", "source"],
                condition=Q(destination__isnull=True),
                name="unserved_sample_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} → {self.destination or '?'}: {self.service}"


class ServiceRegionState(models.Model):
    """The state of one service in one region now; `memory`: what the next tick needs."""

    service = models.ForeignKey(MeshService, models.CASCADE, related_name="states")
    region = models.ForeignKey(Region, models.CASCADE, related_name="+")
    state = models.CharField(max_length=12, choices=STATES.choices(), default=UNKNOWN.value)
    since = models.DateTimeField()
    cause = models.CharField(max_length=20, default="never")
    evidence = models.JSONField(default=dict)
    memory = models.JSONField(default=dict)
    # When the newest measurement behind the state was taken.
    sampled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("region__name",)
        constraints = [
            models.UniqueConstraint(fields=["service", "region"], name="service_region_state_once")
        ]

    def __str__(self) -> str:
        return f"{self.service} in {self.region}: {self.state}"


class RegionState(models.Model):
    """The state of one region now: the worst of its services."""

    region = models.OneToOneField(Region, models.CASCADE, related_name="mesh_state")
    state = models.CharField(max_length=12, choices=STATES.choices(), default=UNKNOWN.value)
    since = models.DateTimeField()
    cause = models.CharField(max_length=20, default="no_services")
    evidence = models.JSONField(default=dict)
    sampled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("region__name",)

    def __str__(self) -> str:
        return f"{self.region}: {self.state}"


class StatePeriod(models.Model):
    """A stretch of time in one state, with its cause: one band of a lane.

    Without `service` it is the region's own lane.
    """

    region = models.ForeignKey(Region, models.CASCADE, related_name="mesh_periods")
    service = models.ForeignKey(
        MeshService, models.CASCADE, null=True, blank=True, related_name="periods"
    )
    state = models.CharField(max_length=12, choices=STATES.choices())
    cause = models.CharField(max_length=20)
    evidence = models.JSONField(default=dict)
    started_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        ordering = ("-started_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=["region", "service"],
                condition=Q(ended_at__isnull=True),
                name="one_open_period_per_service_lane",
            ),
            models.UniqueConstraint(
                fields=["region"],
                condition=Q(ended_at__isnull=True, service__isnull=True),
                name="one_open_period_per_region_lane",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.region} {self.state}"
