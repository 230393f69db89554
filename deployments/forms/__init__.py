"""Forms: what people type becomes what `actions/` take, and refusals come back to their field."""

from deployments.forms.applications import (
    FilterForm,
    NewApplicationForm,
    RevisionForm,
    ScaleForm,
)
from deployments.forms.choices import PlacementForm, selection_initial
from deployments.forms.overrides import OverrideFormSet, override_initial
from deployments.forms.rollouts import RolloutForm, WaveFormSet, waves_initial

__all__ = [
    "FilterForm",
    "NewApplicationForm",
    "OverrideFormSet",
    "PlacementForm",
    "RevisionForm",
    "RolloutForm",
    "ScaleForm",
    "WaveFormSet",
    "override_initial",
    "selection_initial",
    "waves_initial",
]
