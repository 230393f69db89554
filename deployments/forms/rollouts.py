"""Forms of rollouts: the waves before `rest`, and the rules of going on."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.forms.choices import fill_choices, selection_of
from deployments.models import Application, Rollout
from fleet_portal.common.access import Access


class WaveForm(forms.Form):
    """One wave before `rest`; an empty row is no wave."""

    name = forms.CharField(label=_("Wave"), required=False, max_length=50)
    clusters = forms.MultipleChoiceField(
        label=_("Clusters by name"), required=False, widget=forms.CheckboxSelectMultiple
    )
    regions = forms.MultipleChoiceField(
        label=_("Regions"), required=False, widget=forms.CheckboxSelectMultiple
    )
    selector = forms.CharField(label=_("Labels"), required=False, max_length=500)

    def __init__(self, access: Access, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fill_choices(self, access)

    def wave(self) -> dict[str, Any] | None:
        selection = selection_of(self.cleaned_data)
        if not selection:
            return None
        return {"name": self.cleaned_data.get("name") or "", **selection}


class RolloutForm(forms.Form):
    """How a rollout goes on."""

    soak_seconds = forms.FloatField(
        label=_("Soak (seconds)"), min_value=0,
        help_text=_("How long the clusters of a wave must stay healthy before the next."),
    )  # fmt: skip
    max_failed = forms.IntegerField(label=_("Failures allowed in a wave"), min_value=0, initial=0)
    deadline_seconds = forms.FloatField(
        label=_("Deadline for a cluster (seconds)"), min_value=1, initial=600
    )


WaveFormSet = forms.formset_factory(WaveForm, extra=2, max_num=20)


def waves_initial(application: Application) -> list[dict[str, Any]]:
    """Return the waves of the latest rollout, by cluster names, as a start for the next."""
    latest = Rollout.objects.filter(application=application, kind="rollout").first()
    if latest is None:
        return []
    waves = latest.waves.exclude(name__in=["rest", "removal"]).prefetch_related("targets")
    return [
        {"name": wave.name, "clusters": [target.cluster_name for target in wave.targets.all()]}
        for wave in waves
    ]
