"""Forms: what people type about the mesh. The rules themselves are the actions'."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from fleet_portal.common.access import Access, Role
from fleet_portal.common.models import Project

_NAMES = _("Region names, nearest first, separated by commas. Empty: by name.")


class NearestField(forms.CharField):
    """Region names separated by commas."""

    def __init__(self, **values: Any) -> None:
        super().__init__(
            label=_("Order of regions"), required=False, help_text=_NAMES, max_length=1000, **values
        )

    def to_python(self, value: Any) -> Any:
        return [part.strip() for part in (value or "").split(",") if part.strip()]


class HoldDownField(forms.FloatField):
    def __init__(self, **values: Any) -> None:
        super().__init__(
            label=_("A return must hold for (seconds)"),
            required=False,
            min_value=0,
            max_value=86400,
            help_text=_(
                "How long a region that was failed over must be clean. Empty: the default."
            ),
            **values,
        )


class MarkForm(forms.Form):
    """Which service becomes reachable across clusters."""

    project = forms.ModelChoiceField(
        Project.objects.none(), label=_("Project"), to_field_name="slug", empty_label=None
    )
    namespace = forms.CharField(label=_("Namespace"), max_length=63)
    name = forms.CharField(
        label=_("Service"),
        max_length=63,
        help_text=_("The Kubernetes Service's name, the same in every cluster that runs it."),
    )
    nearest = NearestField()
    hold_down_seconds = HoldDownField()

    def __init__(self, access: Access, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["project"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - narrows the type
        field.queryset = Project.objects.filter(access.projects(Role.OPERATOR, "pk"))


class ChangeForm(forms.Form):
    nearest = NearestField()
    hold_down_seconds = HoldDownField()


class ClusterMeshForm(forms.Form):
    """How others enter a cluster."""

    gateways = forms.CharField(
        label=_("Gateway addresses"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=_(
            "One IP address a line, with a port if it is not 15443: where other clusters enter "
            "this one. Two or more keep one bad gateway from closing the region."
        ),
    )
    network = forms.CharField(
        label=_("Network"),
        required=False,
        max_length=63,
        help_text=_("Istio's network id of this cluster. Empty: Pods are reached directly."),
    )
    istio_id = forms.CharField(
        label=_("Name in Istio"),
        required=False,
        max_length=63,
        help_text=_("clusterName of the installation. Empty: the cluster's name here."),
    )
    scrape_seconds = forms.IntegerField(
        label=_("Scrape interval (seconds)"),
        min_value=1,
        max_value=300,
        help_text=_("Of the cluster's Prometheus. Numbers follow four scrapes behind."),
    )

    def clean_gateways(self) -> list[str]:
        text: str = self.cleaned_data["gateways"]
        return [line.strip() for line in text.replace(",", "\n").splitlines() if line.strip()]
