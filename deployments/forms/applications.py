"""Forms of applications: the list's filter, new ones, new content, replica counts."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clusters.domain.objects import KubeObject
from deployments import queries
from deployments.domain.content import MAX_REPLICAS
from deployments.domain.manifests import MAX_TEXT_BYTES
from deployments.domain.sentences import Refusal
from deployments.domain.simple import read_env, simple_manifests
from deployments.forms.choices import PlacementForm, choose
from deployments.queries import ApplicationFilter
from deployments.texts import say
from fleet_portal.common.access import Access
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.models import Project


class FilterForm(forms.Form):
    """What the list of applications is narrowed to."""

    text = forms.CharField(
        label=_("Name"), required=False, max_length=60,
        widget=forms.TextInput({"data-filter": "", "type": "search"}),
    )  # fmt: skip
    project = forms.ChoiceField(label=_("Project"), required=False)
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("any")),
            ("troubled", _("in trouble")),
            ("working", _("rolling out")),
            ("well", _("all well")),
        ],
    )
    system = forms.BooleanField(label=_("The portal's own"), required=False)

    def __init__(self, access: Access, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        slugs = queries.projects_viewed_by(access).values_list("slug", flat=True)
        choose(self, "project", [("", _("any")), *[(slug, slug) for slug in slugs]])

    def wanted(self) -> ApplicationFilter:
        """Return the filter of what was understood; a field that was not is left out."""
        self.is_valid()
        return ApplicationFilter(**{name: v for name, v in self.cleaned_data.items() if v})


class ManifestsMixin(forms.Form):
    """Pasted or uploaded YAML; an uploaded file becomes the text, so that it is kept too."""

    manifests = forms.CharField(
        label=_("Manifests"),
        required=False,
        strip=False,
        widget=forms.Textarea({"data-code": "", "rows": 18, "spellcheck": "false"}),
        help_text=_("YAML of one or more objects, separated by ---. At most 4 MiB."),
    )
    upload = forms.FileField(
        label=_("or upload a file"),
        required=False,
        widget=forms.FileInput({"accept": ".yaml,.yml"}),
    )

    def manifest_text(self) -> str:
        """Return the YAML that was given, "" when none was. Raises ActionRefused."""
        upload = self.cleaned_data.get("upload")
        if upload is None:
            return str(self.cleaned_data.get("manifests") or "")
        if upload.size > MAX_TEXT_BYTES:
            raise ActionRefused(
                _("The file has %(size).1f MiB; at most 4 MiB fit in one revision: split it.")
                % {"size": upload.size / 1024 / 1024},
                "upload",
            )
        try:
            text: str = upload.read().decode("utf-8")
        except UnicodeDecodeError:
            raise ActionRefused(
                _("The file is not UTF-8 text: choose a YAML file."), "upload"
            ) from None
        data: Any = self.data
        self.data = kept = data.copy()
        kept[self.add_prefix("manifests")] = text
        return text


class NewApplicationForm(ManifestsMixin, PlacementForm):
    """A new application: the common case, or manifests; and where it should be."""

    field_order = (
        "name", "project", "namespace", "image", "replicas", "port", "env", "manifests", "upload",
        "clusters", "regions", "selector", "excluded",
    )  # fmt: skip
    BASICS = ("name", "project", "namespace")
    COMMON = ("image", "replicas", "port", "env")
    MANIFESTS = ("manifests", "upload")
    WHERE = ("regions", "clusters", "selector", "excluded")

    name = forms.CharField(
        label=_("Name"), max_length=50, help_text=_("Lower-case letters, digits and hyphens.")
    )
    project = forms.ModelChoiceField(
        Project.objects.none(), label=_("Project"), to_field_name="slug"
    )
    namespace = forms.CharField(
        label=_("Namespace"),
        max_length=63,
        widget=forms.TextInput({"list": "namespaces", "autocomplete": "off"}),
        help_text=_("One that the project may use; see the page of a cluster."),
    )
    image = forms.CharField(
        label=_("Image"), required=False, max_length=400,
        widget=forms.TextInput({"placeholder": "registry.example/team/web:1.2"}),
    )  # fmt: skip
    replicas = forms.IntegerField(
        label=_("Replicas"), required=False, min_value=0, max_value=MAX_REPLICAS, initial=1
    )
    port = forms.IntegerField(
        label=_("Port"), required=False, min_value=1, max_value=65535,
        help_text=_("With a port there is a Service of the same name."),
    )  # fmt: skip
    env = forms.CharField(
        label=_("Variables"), required=False, strip=False,
        widget=forms.Textarea({"rows": 4, "placeholder": "NAME=value"}),
        help_text=_("One NAME=value on each line."),
    )  # fmt: skip

    def __init__(self, access: Access, *args: Any, **kwargs: Any) -> None:
        super().__init__(access, *args, **kwargs)
        projects = queries.projects_operated_by(access)
        field = self.fields["project"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = projects
            field.initial = projects.exclude(scopes=None).first() or projects.first()
        self.namespaces = queries.namespaces_of(projects)

    def group(self, names: tuple[str, ...]) -> list[Any]:
        return [self[name] for name in names]

    @property
    def basics(self) -> list[Any]:
        return self.group(self.BASICS)

    @property
    def common(self) -> list[Any]:
        return self.group(self.COMMON)

    @property
    def pasted(self) -> list[Any]:
        return self.group(self.MANIFESTS)

    @property
    def where(self) -> list[Any]:
        return self.group(self.WHERE)

    @property
    def pasted_is_open(self) -> bool:
        """Say whether the manifests' part should be open: something is there, or wrong there."""
        return bool(self["manifests"].value()) or any(
            name in self.errors for name in self.MANIFESTS
        )

    def content(self) -> str | list[KubeObject]:
        """Return what the application should hold. Raises ActionRefused."""
        text, image = self.manifest_text(), self.cleaned_data.get("image") or ""
        if text.strip() and image:
            raise ActionRefused(
                _("Both an image and manifests are given: empty one of the two."), "image"
            )
        if text.strip():
            return text
        if not image:
            raise ActionRefused(_("Give an image, or paste or upload manifests."), "image")
        values = self.cleaned_data
        replicas = values.get("replicas")
        try:
            return simple_manifests(
                values["name"],
                image,
                1 if replicas is None else replicas,
                values.get("port"),
                read_env(values.get("env") or ""),
            )
        except Refusal as refusal:
            raise ActionRefused(say(refusal.sentence), refusal.field) from None


class RevisionForm(ManifestsMixin):
    """New content for an application."""

    note = forms.CharField(
        label=_("Note"), required=False, max_length=200, help_text=_("What changed, for others.")
    )


class ScaleForm(forms.Form):
    """A replica count for each workload that has one."""

    def __init__(self, counts: dict[str, int], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.keys = dict(enumerate(sorted(counts)))
        for number, key in self.keys.items():
            _group, kind, _namespace, name = key.split("/")
            self.fields[f"count_{number}"] = forms.IntegerField(
                label=f"{kind} {name}", min_value=0, max_value=MAX_REPLICAS, initial=counts[key]
            )

    def counts(self) -> dict[str, int]:
        return {key: self.cleaned_data[f"count_{number}"] for number, key in self.keys.items()}
