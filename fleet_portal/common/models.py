"""People, what they may do, and what was done. Judged in `access.py`, written in `actions.py`."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

SLUG = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?\Z",
    _("Use lower-case letters, digits and hyphens; begin and end with a letter or digit."),
)
# The login becomes part of a Kubernetes user name: no colon, nothing that needs escaping.
LOGIN = RegexValidator(
    r"^[a-z0-9][a-z0-9._@-]{0,99}\Z",
    _(
        "Use lower-case letters, digits and . _ @ - (at most 100), no colon;"
        " begin with a letter or digit."
    ),
)


class User(AbstractUser):
    """A person. The login can't be renamed and is never used twice: people are deactivated."""

    username = models.CharField(
        _("login"),
        max_length=100,
        unique=True,
        validators=[LOGIN],
        error_messages={"unique": _("This login is or was in use: choose another.")},
    )
    language = models.CharField(_("language"), max_length=10, blank=True, default="")

    class Meta(AbstractUser.Meta):
        verbose_name = _("user")  # type: ignore[assignment]
        verbose_name_plural = _("users")  # type: ignore[assignment]

    def clean(self) -> None:
        super().clean()
        if self.pk:
            before = User.objects.filter(pk=self.pk).values_list("username", flat=True).first()
            if before is not None and before != self.username:
                raise ValidationError({"username": _("A login can't be renamed.")})


class Team(models.Model):
    """People who share roles; becomes the group `fleet:team:<slug>` in clusters."""

    slug = models.CharField(_("slug"), max_length=50, unique=True, validators=[SLUG])
    name = models.CharField(_("name"), max_length=100)
    members = models.ManyToManyField(
        User, related_name="teams", blank=True, verbose_name=_("members")
    )

    class Meta:
        ordering = ("slug",)
        verbose_name = _("team")
        verbose_name_plural = _("teams")

    def __str__(self) -> str:
        return self.slug


class Project(models.Model):
    """Owns applications; acts in clusters as `fleet:project:<slug>`. `default` always exists."""

    slug = models.CharField(_("slug"), max_length=50, unique=True, validators=[SLUG])
    name = models.CharField(_("name"), max_length=100)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ("slug",)
        verbose_name = _("project")
        verbose_name_plural = _("projects")

    def __str__(self) -> str:
        return self.slug


class RoleBinding(models.Model):
    """Gives a user or a team one role, on one project or (project empty) on everything."""

    ROLES: ClassVar = [
        ("viewer", _("viewer")),
        ("operator", _("operator")),
        ("administrator", _("administrator")),
    ]

    user = models.ForeignKey(
        User,
        models.CASCADE,
        related_name="role_bindings",
        null=True,
        blank=True,
        verbose_name=_("user"),
    )
    team = models.ForeignKey(
        Team,
        models.CASCADE,
        related_name="role_bindings",
        null=True,
        blank=True,
        verbose_name=_("team"),
    )
    role = models.CharField(_("role"), max_length=20, choices=ROLES)
    project = models.ForeignKey(
        Project,
        models.CASCADE,
        related_name="role_bindings",
        null=True,
        blank=True,
        verbose_name=_("project"),
        help_text=_("Empty: on everything."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("role binding")
        verbose_name_plural = _("role bindings")
        constraints = [
            models.CheckConstraint(
                name="role_binding_one_subject",
                condition=models.Q(user__isnull=False, team__isnull=True)
                | models.Q(user__isnull=True, team__isnull=False),
                violation_error_message=_("Name either a user or a team."),
            ),
            # One for each subject and scope: SQLite can't treat two nulls as equal.
            *(
                models.UniqueConstraint(
                    fields=[subject, "role", *fields],
                    condition=models.Q(
                        **{f"{subject}__isnull": False, "project__isnull": not fields}
                    ),
                    name=f"role_binding_once_{subject}_{scope}",
                    violation_error_message=_("This role is given already."),
                )
                for subject in ("user", "team")
                for scope, fields in (("project", ["project"]), ("everything", []))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.team}: {self.role} ({self.project or '*'})"


class AuditEntry(models.Model):
    """One change or refusal: who, what, when, outcome. Written once, never changed."""

    OUTCOMES: ClassVar = [("done", _("done")), ("refused", _("refused")), ("failed", _("failed"))]

    at = models.DateTimeField(_("at"), auto_now_add=True, db_index=True)
    actor = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("actor")
    )
    # The name stays readable when it is no user: `agent:eu-1`, `controller:rollouts`, `anonymous`.
    actor_name = models.CharField(_("actor"), max_length=150)
    action = models.CharField(_("action"), max_length=60, db_index=True)
    object_kind = models.CharField(_("kind"), max_length=40, blank=True)
    object_id = models.CharField(_("id"), max_length=64, blank=True)
    object_name = models.CharField(_("object"), max_length=255, blank=True)
    project = models.ForeignKey(
        Project, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("project")
    )
    outcome = models.CharField(_("outcome"), max_length=10, choices=OUTCOMES, default="done")
    detail = models.JSONField(_("detail"), default=dict, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes = [models.Index(fields=["object_kind", "object_id"])]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk:
            raise ValidationError(_("An audit entry is never changed."))
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise ValidationError(_("An audit entry is never deleted."))
