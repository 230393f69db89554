"""Forms of this package's pages: login, roles, the audit filter."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from fleet_portal.common import actions, throttle
from fleet_portal.common.access import Access, Role
from fleet_portal.common.models import AuditEntry, Project, RoleBinding, Team, User
from fleet_portal.common.queries import (
    AuditFilter,
    people_known_to,
    projects_administered_by,
    teams_known_to,
)


def remote_address(request: HttpRequest) -> str:
    """Return where a request came from: the gateway alone writes X-Forwarded-For."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return forwarded.rpartition(",")[2].strip() or str(request.META.get("REMOTE_ADDR", ""))


class LoginForm(AuthenticationForm):
    """Django's login with a limit on failures and entries in the audit table."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("Login and password don't match. Look at capital letters."),
        "too_many": _("Too many failed attempts: wait 15 minutes, then try again."),
    }

    def clean(self) -> dict[str, Any]:
        login = str(self.cleaned_data.get("username", ""))
        address = remote_address(self.request) if self.request is not None else ""
        if throttle.too_many_failures(login, address):
            raise ValidationError(self.error_messages["too_many"], code="too_many")
        try:
            cleaned = super().clean()
        except ValidationError:
            throttle.count_failure(login, address)
            actions.record_refused_login(login, address)
            raise
        throttle.forget_failures(login, address)
        return cleaned


class AuditFilterForm(forms.Form):
    """What the audit list is limited to; every field may stay empty."""

    actor = forms.CharField(label=_("Who"), required=False, max_length=100)
    action = forms.CharField(label=_("Action"), required=False, max_length=60)
    object_text = forms.CharField(label=_("Object"), required=False, max_length=100)
    outcome = forms.ChoiceField(
        label=_("Outcome"), required=False, choices=[("", _("any")), *AuditEntry.OUTCOMES]
    )
    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput({"type": "date"})
    )
    until = forms.DateField(
        label=_("Until"), required=False, widget=forms.DateInput({"type": "date"})
    )

    def wanted(self) -> AuditFilter:
        """Return the filter of what was understood; a field that was not is left out."""
        self.is_valid()
        return AuditFilter(**{name: value for name, value in self.cleaned_data.items() if value})


class GrantRoleForm(forms.Form):
    """Give a person or a team a role where the viewer is administrator."""

    user = forms.ModelChoiceField(User.objects.none(), label=_("Person"), required=False)
    team = forms.ModelChoiceField(Team.objects.none(), label=_("or team"), required=False)
    role = forms.ChoiceField(label=_("Role"), choices=RoleBinding.ROLES)
    project = forms.ModelChoiceField(Project.objects.none(), label=_("On project"), required=False)

    def __init__(self, access: Access, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        everywhere = access.has(Role.ADMINISTRATOR)
        project = self.fields["project"]
        project.required = not everywhere
        _choices(self, "user").queryset = people_known_to(access)
        _choices(self, "team").queryset = teams_known_to(access)
        _choices(self, "project").queryset = projects_administered_by(access)
        if everywhere:
            _choices(self, "project").empty_label = str(_("everything"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if bool(cleaned.get("user")) == bool(cleaned.get("team")):
            raise ValidationError(_("Name either a person or a team."))
        return cleaned

    def binding(self) -> RoleBinding:
        """Return the unsaved role that the form describes."""
        values = self.cleaned_data
        return RoleBinding(
            user=values["user"], team=values["team"], role=values["role"], project=values["project"]
        )


def _choices(form: forms.Form, name: str) -> "forms.ModelChoiceField[Any]":
    field = form.fields[name]
    assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - narrows the type only
    return field


def add_refusal(form: forms.Form, refusal: Any) -> None:
    """Put an ActionRefused on the form: at its field where the form has one, else on top."""
    field = refusal.field if refusal.field in form.fields else None
    form.add_error(field, str(refusal.sentence))
