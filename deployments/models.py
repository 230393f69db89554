"""What should run where. Written in `actions.py` alone; what it means is judged in `domain/`.

Three layers. What people ask for: Application, Revision, Override. How it is being taken there:
Rollout, Wave, WaveTarget. What is wanted and what was seen in one cluster: Target, and
DesiredSet, which carries all Targets of a project to one cluster's agent.
"""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clusters.models import Cluster
from deployments.domain import statuses
from deployments.domain.words import Health
from fleet_portal.common.models import Project, User

# The name becomes a label value and a part of addresses.
NAME = RegexValidator(
    r"^[a-z]([a-z0-9-]{0,48}[a-z0-9])?$",
    _(
        "Use lower-case letters, digits and hyphens, at most 50; begin with a letter, end with a"
        " letter or digit."
    ),
)
NAMESPACE = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
    _(
        "Use lower-case letters, digits and hyphens, at most 63; begin and end with a letter or"
        " digit."
    ),
)


class Application(models.Model):
    """A set of manifests shipped together, and the rule of where they should be.

    `placement`: {"clusters": [names], "regions": [names], "selector": text, "except": [names]}.
    `replicas`: object id -> replica count, changed by scaling without a revision. `system`: the
    portal's own content, which people read but don't edit.
    """

    project = models.ForeignKey(
        Project, models.PROTECT, related_name="applications", verbose_name=_("project")
    )
    name = models.CharField(_("name"), max_length=50, validators=[NAME])
    namespace = models.CharField(_("namespace"), max_length=63, validators=[NAMESPACE])
    system = models.BooleanField(_("system"), default=False)
    placement = models.JSONField(_("placement"), default=dict, blank=True)
    replicas = models.JSONField(_("replicas"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    deleting_at = models.DateTimeField(_("being deleted since"), null=True, blank=True)

    class Meta:
        ordering = ("project__slug", "name")
        verbose_name = _("application")
        verbose_name_plural = _("applications")
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                name="application_once_per_project",
                violation_error_message=_("The project has an application of this name already."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class ObjectBlob(models.Model):
    """One object as canonical JSON, kept once however many revisions and clusters use it."""

    digest = models.CharField(max_length=80, primary_key=True)
    content = models.TextField()
    # When it was last wanted: what nothing names any more is kept for a while (`forget_unused`).
    stored_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("object")
        verbose_name_plural = _("objects")

    def __str__(self) -> str:
        return self.digest


class Rendering(models.Model):
    """The objects of one content, kept once by the spec digest that revisions and targets name.

    `objects_wanted`: list of {"digest", "group", "version", "kind", "namespace", "name"}, each
    digest that of an ObjectBlob; replica counts are no part of it.
    """

    digest = models.CharField(max_length=80, primary_key=True)
    objects_wanted = models.JSONField(default=list)
    stored_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("content")
        verbose_name_plural = _("contents")

    def __str__(self) -> str:
        return self.digest


class Revision(models.Model):
    """One immutable content of an Application: a Rendering by its digest.

    `replicas` holds the counts as they were written (object id -> count). `by_cluster`: cluster
    id -> digest of a Rendering; system applications alone differ by cluster.
    """

    application = models.ForeignKey(Application, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField(_("number"))
    digest = models.CharField(_("digest"), max_length=80)
    by_cluster = models.JSONField(default=dict)
    replicas = models.JSONField(default=dict)
    note = models.CharField(_("note"), max_length=200, blank=True)
    author = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    author_name = models.CharField(_("author"), max_length=150)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ("-number",)
        verbose_name = _("revision")
        verbose_name_plural = _("revisions")
        constraints = [
            models.UniqueConstraint(fields=["application", "number"], name="revision_number_once")
        ]

    def __str__(self) -> str:
        return f"{self.application} {self.number}"


class Override(models.Model):
    """A change to an Application's manifests for some clusters.

    `selector`: {"clusters": [names], "regions": [names], "selector": text}. `operations`: list
    of typed operations as `domain/overrides.py` reads them. Higher `priority` wins.
    """

    application = models.ForeignKey(Application, models.CASCADE, related_name="overrides")
    name = models.CharField(_("name"), max_length=50, validators=[NAME])
    priority = models.IntegerField(_("priority"), default=0)
    selector = models.JSONField(default=dict)
    operations = models.JSONField(default=list)

    class Meta:
        ordering = ("priority", "name")
        verbose_name = _("override")
        verbose_name_plural = _("overrides")
        constraints = [
            models.UniqueConstraint(fields=["application", "name"], name="override_name_once")
        ]

    def __str__(self) -> str:
        return self.name


class Rollout(models.Model):
    """Taking one Revision to the placed clusters. What it does is copied at its start."""

    KINDS: ClassVar = [("rollout", _("rollout")), ("rollback", _("rollback"))]

    application = models.ForeignKey(Application, models.CASCADE, related_name="rollouts")
    revision = models.ForeignKey(Revision, models.CASCADE, related_name="rollouts")
    kind = models.CharField(max_length=10, choices=KINDS, default="rollout")
    # A word of `statuses.ROLLOUT`.
    state = models.CharField(_("state"), max_length=12, default=statuses.RUNNING)
    state_since = models.DateTimeField()
    reason = models.CharField(max_length=40, blank=True, default="")
    message = models.CharField(max_length=256, blank=True, default="")
    max_failed = models.PositiveIntegerField(_("failures allowed in a wave"), default=0)
    deadline_seconds = models.FloatField(_("deadline"), default=600.0)
    # Sentences about what was left out at the start, as {"text", "params"}.
    notes = models.JSONField(default=list)
    started_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    started_by_name = models.CharField(max_length=150)
    created_at = models.DateTimeField(_("started"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = _("rollout")
        verbose_name_plural = _("rollouts")
        constraints = [
            models.UniqueConstraint(
                fields=["application"],
                condition=Q(state__in=[statuses.RUNNING, statuses.PAUSED, statuses.HALTED]),
                name="one_open_rollout_per_application",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Wave(models.Model):
    """The clusters a Rollout advances to together; `number` counts from 1."""

    rollout = models.ForeignKey(Rollout, models.CASCADE, related_name="waves")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=50)
    soak_seconds = models.FloatField(default=10.0)
    state = models.CharField(max_length=12, default=statuses.PENDING)
    state_since = models.DateTimeField()

    class Meta:
        ordering = ("number",)
        constraints = [
            models.UniqueConstraint(fields=["rollout", "number"], name="wave_number_once")
        ]

    def __str__(self) -> str:
        return self.name


class WaveTarget(models.Model):
    """One cluster in a Wave: the content to take there, and how far that is.

    `removal`: the placement no longer chooses this cluster, so the content is taken away.
    """

    wave = models.ForeignKey(Wave, models.CASCADE, related_name="targets")
    cluster = models.ForeignKey(
        Cluster, models.SET_NULL, null=True, blank=True, related_name="wave_targets"
    )
    cluster_name = models.CharField(max_length=50)
    removal = models.BooleanField(default=False)
    digest = models.CharField(max_length=80, blank=True, default="")
    state = models.CharField(max_length=12, default=statuses.PENDING)
    state_since = models.DateTimeField()
    dispatched_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=40, blank=True, default="")
    message = models.CharField(max_length=256, blank=True, default="")

    class Meta:
        ordering = ("cluster_name",)
        constraints = [models.UniqueConstraint(fields=["wave", "cluster"], name="wave_target_once")]

    def __str__(self) -> str:
        return self.cluster_name


class Target(models.Model):
    """One Application on one Cluster: what is wanted, what was seen.

    `desired_digest` names the Rendering after overrides. `sequence` is the DesiredSet's when the
    wish last changed; a report of an older one (`observed_sequence`) says nothing about it.
    `observed_digest` and all that follows come from the agent.
    """

    application = models.ForeignKey(Application, models.CASCADE, related_name="targets")
    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="targets")
    revision = models.ForeignKey(
        Revision, models.SET_NULL, null=True, blank=True, related_name="targets"
    )
    desired_digest = models.CharField(max_length=80, blank=True, default="")
    replicas = models.JSONField(default=dict)
    removing = models.BooleanField(default=False)
    sequence = models.BigIntegerField(default=0)

    observed_digest = models.CharField(max_length=80, blank=True, default="")
    observed_sequence = models.BigIntegerField(default=0)
    sync = models.CharField(max_length=20, default=statuses.PENDING)
    health = models.CharField(max_length=20, default=Health.UNKNOWN.value)
    ready = models.PositiveIntegerField(default=0)
    desired = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=40, blank=True, default="")
    message = models.CharField(max_length=256, blank=True, default="")
    # Since when this digest has been healthy without a break, by the portal's clock; the agent's
    # own figure is kept to see breaks between two reports.
    healthy_since = models.DateTimeField(null=True, blank=True)
    agent_healthy_since = models.FloatField(null=True, blank=True)
    last_good_revision = models.ForeignKey(
        Revision, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    drift_repaired_at = models.DateTimeField(null=True, blank=True)
    observed_at = models.DateTimeField(null=True, blank=True)
    objects_seen = models.JSONField(default=list)

    class Meta:
        ordering = ("cluster__name",)
        verbose_name = _("target")
        verbose_name_plural = _("targets")
        constraints = [
            models.UniqueConstraint(fields=["application", "cluster"], name="target_once")
        ]

    def __str__(self) -> str:
        return f"{self.application} @ {self.cluster}"


class DesiredSet(models.Model):
    """All that one project wants in one cluster, as its agent is told.

    `sequence` grows with every change of a Target; the set is dirty until the agent has
    acknowledged that sequence under that epoch. A lane holds the lease while it sends.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="desired_sets")
    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="desired_sets")
    epoch = models.BigIntegerField(default=1)
    sequence = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=80, blank=True, default="")
    acked_epoch = models.BigIntegerField(default=0)
    acked_sequence = models.BigIntegerField(default=0)
    acked_session = models.CharField(max_length=64, blank=True, default="")
    acked_at = models.DateTimeField(null=True, blank=True)
    # Since then the agent may know of it.
    tried_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=40, blank=True, default="")
    message = models.CharField(max_length=256, blank=True, default="")
    lease_owner = models.CharField(max_length=64, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("project__slug", "cluster__name")
        constraints = [
            models.UniqueConstraint(fields=["project", "cluster"], name="desired_set_once")
        ]

    DIRTY: ClassVar = ~Q(acked_sequence=F("sequence")) | ~Q(acked_epoch=F("epoch"))

    def __str__(self) -> str:
        return f"{self.project} @ {self.cluster}"
