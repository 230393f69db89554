"""Forms of the pages of clusters. They read what was typed; actions judge it."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clusters.domain.labels import LabelsInvalid, parse_labels
from clusters.domain.scopes import ScopeInvalid, parse_namespaces, parse_scopes
from clusters.domain.statuses import LIVENESS
from clusters.models import Cluster, Region
from clusters.queries import (
    SORTS,
    ClusterFilter,
    projects_visible_to,
    regions_visible_to,
)
from fleet_portal.common.access import Access
from fleet_portal.common.models import Project

MODES = [
    ("manage", _("Manage: the portal also rolls out applications, in the namespaces named below")),
    ("use", _("Use: people also reach it through the portal, under groups you bind yourself")),
    ("observe", _("Observe: the portal only reads nodes, Pods, workloads and events")),
]
REGION_LIST = "region-names"


def _region_input() -> forms.TextInput:
    return forms.TextInput({"list": REGION_LIST, "autocomplete": "off", "spellcheck": "false"})


class LabelsField(forms.CharField):
    """Typed lines `key=value`; cleans to a dict."""

    widget = forms.Textarea({"rows": 3, "spellcheck": "false", "placeholder": "tier=production"})

    def clean(self, value: Any) -> Any:
        try:
            return parse_labels(super().clean(value))
        except LabelsInvalid as error:
            raise ValidationError(gettext(error.message) % {"text": error.text}) from None


class ScopesField(forms.CharField):
    """Typed lines `project: namespace, namespace`; cleans to a dict of lists."""

    widget = forms.Textarea({"rows": 3, "spellcheck": "false", "placeholder": "default: shop"})

    def clean(self, value: Any) -> Any:
        try:
            return parse_scopes(super().clean(value))
        except ScopeInvalid as error:
            raise ValidationError(gettext(error.message) % {"text": error.text}) from None


class RegisterForm(forms.Form):
    """The one screen of the wizard."""

    name = forms.CharField(
        label=_("Name"),
        max_length=200,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false", "autofocus": True}),
        help_text=_("Lower-case letters, digits and hyphens. It can be changed later."),
    )
    region = forms.CharField(
        label=_("Region"),
        required=False,
        max_length=200,
        widget=_region_input(),
        help_text=_("Empty: taken from the label of the cluster's nodes."),
    )
    labels = LabelsField(
        label=_("Labels"),
        required=False,
        help_text=_("One key=value a line. Placements choose clusters by them."),
    )
    mode = forms.ChoiceField(
        label=_("Access mode"), choices=MODES, initial="manage", widget=forms.RadioSelect
    )
    scopes = ScopesField(
        label=_("Namespaces of projects"),
        required=False,
        initial="default: apps",
        help_text=_(
            "For the mode “manage”: one project a line with the namespaces it may use; missing"
            " ones are made."
        ),
    )
    impersonation = forms.ChoiceField(
        label=_("Kubernetes version"),
        choices=[
            ("legacy", _("any")),
            ("constrained", _("1.36 or newer: the rules also cap what may be done")),
        ],
        initial="legacy",
    )
    prometheus = forms.CharField(
        label=_("Prometheus"),
        required=False,
        max_length=200,
        initial="istio-system/prometheus:9090",
        widget=forms.TextInput({"spellcheck": "false"}),
        help_text=_("namespace/service:port. Empty: there is none, and no traffic is shown."),
    )
    production = forms.BooleanField(
        label=_("Production: removing it asks for its name"), required=False
    )

    def wanted(self) -> dict[str, Any]:
        """Return the arguments of `register_cluster`."""
        values = dict(self.cleaned_data)
        if values["mode"] != "manage":
            values["scopes"] = {}
        return values


class ClusterFilterForm(forms.Form):
    """What the list is narrowed to; every field may stay empty."""

    text = forms.CharField(label=_("Search"), required=False, max_length=100)
    region = forms.ChoiceField(label=_("Region"), required=False)
    state = forms.ChoiceField(label=_("State"), required=False)
    mode = forms.ChoiceField(label=_("Mode"), required=False)
    sort = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)

    def __init__(self, access: Access, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        regions = [(region.name, str(region)) for region in regions_visible_to(access)]
        # The labels of statuses are source texts; the catalogue has them by their own words.
        states = [(status.value, gettext(status.label)) for status in LIVENESS]
        for field, choices in (("region", regions), ("state", states), ("mode", Cluster.MODES)):
            chosen = self.fields[field]
            assert isinstance(chosen, forms.ChoiceField)  # noqa: S101 - narrows the type only
            chosen.choices = [("", _("any")), *choices]

    def wanted(self) -> ClusterFilter:
        """Return the filter of what was understood; a field that was not is left out."""
        self.is_valid()
        values = {name: value for name, value in self.cleaned_data.items() if value}
        if values.get("sort", "").removeprefix("-") not in SORTS:
            values.pop("sort", None)
        return ClusterFilter(**values)


class PoolFilterForm(forms.Form):
    region = forms.ModelChoiceField(
        Region.objects.none(),
        label=_("Region"),
        required=False,
        to_field_name="name",
        empty_label=_("all"),
    )

    def __init__(self, access: Access, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _model_choices(self, "region").queryset = regions_visible_to(access)

    def wanted(self) -> ClusterFilter:
        region = self.cleaned_data.get("region") if self.is_valid() else None
        return ClusterFilter(region=region.name if region else "")


# Settings of one cluster: each form is one action.


class RenameForm(forms.Form):
    name = forms.CharField(
        label=_("Name"), max_length=200, widget=forms.TextInput({"spellcheck": "false"})
    )


class RegionForm(forms.Form):
    region = forms.CharField(label=_("Region"), max_length=200, widget=_region_input())


class LabelsForm(forms.Form):
    labels = LabelsField(label=_("Labels"), required=False)
    production = forms.BooleanField(
        label=_("Production: removing it asks for its name"), required=False
    )


class ScopeForm(forms.Form):
    project = forms.ModelChoiceField(
        Project.objects.none(), label=_("Project"), to_field_name="slug", empty_label=None
    )
    namespaces = forms.CharField(
        label=_("Namespaces"),
        required=False,
        max_length=8000,
        widget=forms.TextInput({"spellcheck": "false", "placeholder": "shop, orders"}),
        help_text=_("Empty: the project leaves this cluster."),
    )

    def __init__(self, access: Access, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _model_choices(self, "project").queryset = projects_visible_to(access)

    def clean_namespaces(self) -> list[str]:
        return parse_namespaces(self.cleaned_data["namespaces"])


class RejoinForm(forms.Form):
    mode = forms.ChoiceField(label=_("Access mode"), choices=MODES, widget=forms.RadioSelect)
    impersonation = forms.ChoiceField(label=_("Kubernetes version"), choices=Cluster.IMPERSONATION)
    rebuilt = forms.BooleanField(
        label=_("Rebuilt: another Kubernetes cluster takes this name"), required=False
    )


class RemoveForm(forms.Form):
    """Asks for the name of a production cluster, as it is typed once and can't be undone."""

    typed_name = forms.CharField(
        label=_("Type the cluster's name to remove it"),
        required=False,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, cluster: Cluster, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cluster = cluster
        if not cluster.production:
            del self.fields["typed_name"]

    def clean_typed_name(self) -> str:
        typed: str = self.cleaned_data["typed_name"]
        if typed != self.cluster.name:
            sentence = _("This is not the name of the cluster: type %(name)s.")
            raise ValidationError(sentence % {"name": self.cluster.name})
        return typed


def _model_choices(form: forms.Form, name: str) -> "forms.ModelChoiceField[Any]":
    field = form.fields[name]
    assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - narrows the type only
    return field
