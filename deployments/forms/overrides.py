"""The form of overrides: the typed operations people use most, and JSON for the others."""

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.domain.content import MAX_REPLICAS
from deployments.domain.sentences import Refusal
from deployments.domain.simple import read_env
from deployments.forms.choices import fill_choices, selection_initial, selection_of
from deployments.models import Override
from deployments.texts import say
from fleet_portal.common.access import Access
from fleet_portal.common.errors import ActionRefused

_IMAGE_PARTS = ("registry", "tag", "digest")


class OverrideForm(forms.Form):
    """One override: for which clusters, and the typed operations people use most."""

    name = forms.CharField(label=_("Name"), max_length=50)
    priority = forms.IntegerField(label=_("Priority"), initial=0, required=False)
    clusters = forms.MultipleChoiceField(
        label=_("Clusters by name"), required=False, widget=forms.CheckboxSelectMultiple
    )
    regions = forms.MultipleChoiceField(
        label=_("Regions"), required=False, widget=forms.CheckboxSelectMultiple
    )
    selector = forms.CharField(label=_("Labels"), required=False, max_length=500)
    workload = forms.CharField(
        label=_("Workload"), required=False, max_length=253, help_text=_("Empty: every one.")
    )
    container = forms.CharField(
        label=_("Container"), required=False, max_length=63, help_text=_("Empty: every one.")
    )
    registry = forms.CharField(label=_("Registry"), required=False, max_length=255)
    tag = forms.CharField(label=_("Image tag"), required=False, max_length=128)
    digest = forms.CharField(label=_("Image digest"), required=False, max_length=140)
    replicas = forms.IntegerField(
        label=_("Replicas"), required=False, min_value=0, max_value=MAX_REPLICAS
    )
    env = forms.CharField(
        label=_("Variables"), required=False, strip=False,
        widget=forms.Textarea({"rows": 3, "placeholder": "NAME=value"}),
    )  # fmt: skip
    cpu_request = forms.CharField(label=_("CPU request"), required=False, max_length=20)
    memory_request = forms.CharField(label=_("Memory request"), required=False, max_length=20)
    cpu_limit = forms.CharField(label=_("CPU limit"), required=False, max_length=20)
    memory_limit = forms.CharField(label=_("Memory limit"), required=False, max_length=20)
    more = forms.CharField(
        label=_("More operations (JSON)"), required=False,
        widget=forms.Textarea({"rows": 3, "spellcheck": "false"}),
        help_text=_("A list of operations as the REST API takes them."),
    )  # fmt: skip

    def __init__(self, access: Access, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fill_choices(self, access)

    @property
    def who(self) -> list[Any]:
        return [self[name] for name in ("name", "priority", "selector", "regions", "clusters")]

    @property
    def what(self) -> list[Any]:
        shown = {field.name for field in self.who}
        return [field for field in self if field.name not in shown]

    @property
    def opens(self) -> bool:
        """Say whether people should see the fields at once: something is wrong or typed there."""
        return bool(self.errors) or (self.is_bound and self.has_changed())

    def override(self) -> dict[str, Any]:
        """Return the override as actions take it. Raises ActionRefused."""
        values = self.cleaned_data
        return {
            "name": values["name"],
            "priority": values.get("priority") or 0,
            "selector": selection_of(values),
            "operations": [*self._typed(values), *self._more(values.get("more") or "")],
        }

    def _typed(self, values: dict[str, Any]) -> list[dict[str, Any]]:
        place = {key: values[key] for key in ("workload", "container") if values.get(key)}
        operations: list[dict[str, Any]] = []
        image = {part: values[part] for part in _IMAGE_PARTS if values.get(part)}
        if image:
            operations.append({"op": "image", **place, **image})
        try:
            variables = read_env(values.get("env") or "")
        except Refusal as refusal:
            raise ActionRefused(say(refusal.sentence), "env") from None
        for variable, value in variables:
            operations.append({"op": "env", **place, "variable": variable, "value": value})
        if values.get("replicas") is not None:
            workload = {"workload": place["workload"]} if "workload" in place else {}
            operations.append({"op": "replicas", **workload, "replicas": values["replicas"]})
        resources = {
            "requests": _amounts(values, "request"),
            "limits": _amounts(values, "limit"),
        }
        resources = {part: amounts for part, amounts in resources.items() if amounts}
        return [*operations, {"op": "resources", **place, **resources}] if resources else operations

    def _more(self, text: str) -> list[Any]:
        if not text.strip():
            return []
        try:
            operations = json.loads(text)
        except ValueError:
            operations = None
        if not isinstance(operations, list):
            raise ActionRefused(_("More operations must be a JSON list."), "more")
        return operations


def _amounts(values: dict[str, Any], part: str) -> dict[str, str]:
    given = {resource: values.get(f"{resource}_{part}") for resource in ("cpu", "memory")}
    return {resource: amount for resource, amount in given.items() if amount}


OverrideFormSet = forms.formset_factory(OverrideForm, extra=1, max_num=100, can_delete=True)


def override_initial(row: Override) -> dict[str, Any]:
    """Return the fields' initial values; operations without a field go to the JSON list."""
    initial = {"name": row.name, "priority": row.priority, **selection_initial(row.selector)}
    typed: dict[str, Any] = {}
    env: list[str] = []
    more: list[Any] = []
    for operation in row.operations:
        values = _fields_of(operation)
        place = {key: operation.get(key, "") for key in ("workload", "container")}
        if operation.get("op") == "replicas":
            place.pop("container")
        fits = all(typed.get(key, value) == value for key, value in place.items())
        taken = values is None or any(key in typed for key in values if key != "env")
        if values is None or not fits or taken:
            more.append(operation)
            continue
        typed |= place
        env += [values.pop("env")] if "env" in values else []
        typed |= values
    if more:
        typed["more"] = json.dumps(more, indent=1)
    return {**initial, **typed, "env": "\n".join(env)}


def _fields_of(operation: dict[str, Any]) -> dict[str, Any] | None:
    """Return the typed fields of one operation; None when the form has no field for it."""
    op = operation.get("op")
    if op == "image" and "repository" not in operation:
        return {
            part: operation[part] for part in ("registry", "tag", "digest") if part in operation
        }
    if op == "env" and operation.get("value") is not None and "\n" not in operation["value"]:
        return {"env": f"{operation['variable']}={operation['value']}"}
    if op == "replicas":
        return {"replicas": operation["replicas"]}
    if op != "resources":
        return None
    fields: dict[str, Any] = {}
    for part, suffix in (("requests", "request"), ("limits", "limit")):
        for resource, amount in (operation.get(part) or {}).items():
            if resource not in ("cpu", "memory"):
                return None
            fields[f"{resource}_{suffix}"] = amount
    return fields
