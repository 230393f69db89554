"""Pages of clusters and of the pool, and the address that kubectl fetches a manifest from."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from clusters import actions, manifests, queries
from clusters.actions.events import hash_token
from clusters.domain.labels import format_labels
from clusters.forms import (
    REGION_LIST,
    ClusterFilterForm,
    LabelsForm,
    PoolFilterForm,
    RegionForm,
    RegisterForm,
    RejoinForm,
    RemoveForm,
    RenameForm,
    ScopeForm,
)
from clusters.fragments import ListKey, page_of, pool_page_of, show_too
from clusters.models import Cluster, JoinToken
from fleet_portal.common.access import Access, Role, request_access, requires
from fleet_portal.common.errors import ActionRefused, NotAllowed
from fleet_portal.common.forms import add_refusal
from fleet_portal.common.models import User

# Sort key -> words, as the list offers them.
SORT_WORDS = [
    ("name", gettext_lazy("name")),
    ("region", gettext_lazy("region")),
    ("state", gettext_lazy("state")),
    ("version", gettext_lazy("version")),
    ("-joined", gettext_lazy("last joined")),
]


def actor_of(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise NotAllowed
    return request.user


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return int(text) if text.isdigit() and len(text) < 7 else 1


@require_safe
@requires(Role.VIEWER)
def cluster_list(request: HttpRequest) -> HttpResponse:
    access = request_access(request)
    form = ClusterFilterForm(access, request.GET)
    key = ListKey(form.wanted(), _page_number(request))
    page = page_of(access, key)
    show_too(request, "clusters-row", [cluster.pk for cluster in page])
    context = {
        "form": form,
        "key": key.pack(),
        "page_obj": page,
        "sorts": SORT_WORDS,
        "sorted_by": key.wanted.sort,
        "may_register": access.has(Role.OPERATOR),
    }
    return render(request, "clusters/list.html", context)


@requires(Role.OPERATOR)
def cluster_new(request: HttpRequest) -> HttpResponse:
    access = request_access(request)
    access.require(Role.OPERATOR)
    form = RegisterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            join = actions.register_cluster(actor=actor_of(request), **form.wanted())
            return redirect("clusters:detail", join.cluster.name)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    status = 400 if form.errors else 200
    context = {"form": form, **_region_names(access)}
    return render(request, "clusters/new.html", context, status=status)


def _region_names(access: Access) -> dict[str, Any]:
    return {"region_list": REGION_LIST, "regions": list(queries.regions_visible_to(access))}


@require_safe
@requires(Role.VIEWER)
def cluster_detail(request: HttpRequest, name: str) -> HttpResponse:
    access = request_access(request)
    cluster = queries.cluster_visible_to(access, name)
    context = {"cluster": cluster, "may_change": access.has(Role.OPERATOR)}
    return render(request, "clusters/detail.html", context)


@require_safe
@requires(Role.VIEWER)
def cluster_manifest(request: HttpRequest, name: str) -> HttpResponse:
    """Show the manifest as it would be printed now, without its token."""
    cluster = queries.cluster_visible_to(request_access(request), name)
    text = manifests.manifest_text(cluster)
    return render(request, "clusters/manifest.html", {"cluster": cluster, "text": text})


@requires(Role.VIEWER)
def cluster_rules(request: HttpRequest, name: str) -> HttpResponse:
    """Show the rules alone; a POST says that they were applied."""
    access = request_access(request)
    cluster = queries.cluster_visible_to(access, name)
    if request.method == "POST":
        access.require(Role.OPERATOR)
        actions.confirm_names(cluster, actor_of(request))
        messages.success(request, _("Noted: the rules are applied."))
        return redirect("clusters:detail", cluster.name)
    context = {
        "cluster": cluster,
        "text": manifests.rules_text(cluster),
        "missing": queries.names_missing(cluster),
        "may_change": access.has(Role.OPERATOR),
    }
    return render(request, "clusters/rules.html", context)


# Settings: several forms on one page, each with a button of its own.

Do = Callable[[Cluster, dict[str, Any], User], Any]
MakeForm = Callable[[QueryDict | None], forms.Form]


def _rename(cluster: Cluster, values: dict[str, Any], actor: User) -> None:
    actions.rename_cluster(cluster, values["name"], actor)


def _move(cluster: Cluster, values: dict[str, Any], actor: User) -> None:
    actions.move_region(cluster, values["region"], actor)


def _label(cluster: Cluster, values: dict[str, Any], actor: User) -> None:
    actions.set_labels(cluster, values["labels"], actor)
    actions.set_production(cluster, values["production"], actor)


def _scope(cluster: Cluster, values: dict[str, Any], actor: User) -> None:
    actions.set_scope(values["project"], cluster, values["namespaces"], actor)


def _rejoin(cluster: Cluster, values: dict[str, Any], actor: User) -> None:
    actions.reissue_join(cluster, actor, **values)


def _settings_forms(cluster: Cluster, access: Access) -> dict[str, tuple[MakeForm, Do]]:
    """Return how each form is made, and what it does, by the name of its button."""
    region = cluster.region.name if cluster.region else ""
    labels = {"labels": format_labels(cluster.labels), "production": cluster.production}
    rejoin = {"mode": cluster.mode, "impersonation": cluster.impersonation}
    return {
        "rename": (lambda data: RenameForm(data, initial={"name": cluster.name}), _rename),
        "move": (lambda data: RegionForm(data, initial={"region": region}), _move),
        "label": (lambda data: LabelsForm(data, initial=labels), _label),
        "scope": (lambda data: ScopeForm(access, data), _scope),
        "rejoin": (lambda data: RejoinForm(data, initial=rejoin), _rejoin),
    }


@requires(Role.OPERATOR)
def cluster_settings(request: HttpRequest, name: str) -> HttpResponse:
    access = request_access(request)
    cluster = queries.cluster_visible_to(access, name)
    access.require(Role.OPERATOR)
    parts = _settings_forms(cluster, access)
    pressed = request.POST.get("do", "") if request.method == "POST" else ""
    if request.method == "POST" and pressed not in parts:
        raise ActionRefused(_("This page has no such button: load it again."))
    made = {
        key: make(request.POST if key == pressed else None) for key, (make, _do) in parts.items()
    }
    if pressed and made[pressed].is_valid():
        if _done(made[pressed], parts[pressed][1], cluster, actor_of(request)):
            messages.success(request, _("Saved."))
            target = "clusters:detail" if pressed == "rejoin" else "clusters:settings"
            return redirect(target, cluster.name)
        cluster = queries.cluster_visible_to(access, name)
    context = {
        "cluster": cluster,
        "pressed": pressed,
        **{f"{key}_form": form for key, form in made.items()},
        **_region_names(access),
    }
    return render(request, "clusters/settings.html", context, status=400 if pressed else 200)


def _done(form: forms.Form, do: Do, cluster: Cluster, actor: User) -> bool:
    try:
        do(cluster, form.cleaned_data, actor)
    except ActionRefused as refusal:
        add_refusal(form, refusal)
        return False
    return True


@requires(Role.OPERATOR)
def cluster_remove(request: HttpRequest, name: str) -> HttpResponse:
    """Ask once more; then show what to delete in the cluster itself."""
    access = request_access(request)
    cluster = queries.cluster_visible_to(access, name)
    access.require(Role.OPERATOR)
    form = RemoveForm(cluster, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        commands = actions.remove_cluster(cluster, actor_of(request))
        removed = {"name": name, "text": "\n".join(commands)}
        return render(request, "clusters/removed.html", removed)
    row = queries.rows_of([cluster], timezone.now())[0]
    context = {"cluster": cluster, "form": form, "row": row}
    return render(request, "clusters/remove.html", context, status=400 if form.errors else 200)


@require_safe
@requires(Role.VIEWER)
def pool(request: HttpRequest) -> HttpResponse:
    access = request_access(request)
    form = PoolFilterForm(access, request.GET)
    key = ListKey(form.wanted(), _page_number(request))
    page = pool_page_of(access, key)
    show_too(request, "clusters-poolrow", [cluster.pk for cluster in page])
    context = {
        "form": form,
        "region": key.wanted.region,
        "key": key.pack(),
        "page_obj": page,
    }
    return render(request, "clusters/pool.html", context)


# The manifest's address: no login, the token in it is the right to fetch it.


@never_cache
@require_safe
def join_manifest(request: HttpRequest, token: str) -> HttpResponseBase:
    """Return the manifest while its token is unused and in its time; else say why, as YAML."""
    row = JoinToken.objects.select_related("cluster__region")
    found = row.filter(token_hash=hash_token(token)).first()
    if found is None:
        return _yaml("# There is no such join command: copy it again, whole.\n", 404)
    if found.used_at is not None:
        sentence = "This join command was used: make a new one on the cluster's page."
        return _yaml(f"# {sentence}\n", 410)
    if found.expires_at <= timezone.now():
        sentence = "This join command ran out: make a new one on the cluster's page."
        return _yaml(f"# {sentence}\n", 410)
    text = manifests.manifest_text(found.cluster, token)
    if request.method == "GET":
        actions.mark_manifest_fetched(found)
    return _yaml(text, 200)


def _yaml(text: str, status: int) -> HttpResponse:
    response = HttpResponse(text, content_type="text/yaml; charset=utf-8", status=status)
    # The address holds a secret: it must not travel on in a Referer.
    response["Referrer-Policy"] = "no-referrer"
    return response
