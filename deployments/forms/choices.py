"""Choosing clusters in a form: by name, by region, by labels."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clusters.models import Region
from deployments import queries
from fleet_portal.common.access import Access

MOST_BOXES = 60


def choose(form: forms.Form, name: str, choices: list[Any]) -> None:
    field = form.fields[name]
    if isinstance(field, forms.ChoiceField | forms.MultipleChoiceField):
        field.choices = choices


class NamesField(forms.CharField):
    """Names separated by commas, for fleets that are too large for a box per cluster."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return [name.strip() for name in text.split(",") if name.strip()]

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def validate(self, value: Any) -> None:
        """Let the action name what no cluster has: it knows the sentence."""


def fill_choices(form: forms.Form, access: Access) -> None:
    """Offer the viewer's clusters and their regions in the form's fields."""
    names = list(queries.clusters_known(access).values_list("name", flat=True)[: MOST_BOXES + 1])
    regions = [(name, name) for name in Region.objects.values_list("name", flat=True)]
    choose(form, "regions", regions)
    for field in ("clusters", "excluded"):
        if field not in form.fields:
            continue
        if len(names) > MOST_BOXES:
            form.fields[field] = NamesField(
                label=form.fields[field].label,
                required=False,
                help_text=_("Names, separated by commas."),
            )
        else:
            choose(form, field, [(name, name) for name in names])


def selection_of(values: dict[str, Any]) -> dict[str, Any]:
    """Return the selection that the fields describe, as actions and REST take it."""
    given = {
        "clusters": values.get("clusters"),
        "regions": values.get("regions"),
        "selector": values.get("selector"),
        "except": values.get("excluded"),
    }
    return {key: value for key, value in given.items() if value}


def selection_initial(selection: dict[str, Any]) -> dict[str, Any]:
    """Return the fields' initial values for a stored selection."""
    return {
        "clusters": selection.get("clusters", []),
        "regions": selection.get("regions", []),
        "selector": selection.get("selector", ""),
        "excluded": selection.get("except", []),
    }


class PlacementForm(forms.Form):
    """Which clusters: by name, by region, by labels."""

    clusters = forms.MultipleChoiceField(
        label=_("Clusters by name"), required=False, widget=forms.CheckboxSelectMultiple
    )
    regions = forms.MultipleChoiceField(
        label=_("Regions"), required=False, widget=forms.CheckboxSelectMultiple
    )
    selector = forms.CharField(
        label=_("Labels"),
        required=False,
        max_length=500,
        help_text=_(
            "Conditions such as env=prod,tier!=db or zone in (a, b). With regions, both must hold."
        ),
    )
    excluded = forms.MultipleChoiceField(
        label=_("Except"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, access: Access, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fill_choices(self, access)

    def placement(self) -> dict[str, Any]:
        return selection_of(self.cleaned_data)
