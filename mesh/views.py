"""Pages of the mesh: regions, services, how a cluster takes part."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from clusters.models import Cluster
from clusters.queries import cluster_visible_to
from fleet_portal.common.access import Access, Role, request_access, requires
from fleet_portal.common.errors import ActionRefused, NotAllowed
from fleet_portal.common.forms import add_refusal
from fleet_portal.common.models import User
from mesh import actions, queries
from mesh.forms import ChangeForm, ClusterMeshForm, MarkForm
from mesh.models import MeshService
from mesh.queries.services import NO_MESH
from mesh.queries.states import DEFAULT_WINDOW, WINDOWS

get_or_post = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@requires(Role.VIEWER)
def regions(request: HttpRequest) -> HttpResponse:
    return render(request, "mesh/regions.html", {"window": _window(request), "windows": WINDOWS})


@require_safe
@requires(Role.VIEWER)
def services(request: HttpRequest) -> HttpResponse:
    return render(request, "mesh/services.html", {"may_mark": _may_mark(request_access(request))})


@require_safe
@requires(Role.VIEWER)
def service(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    access = request_access(request)
    row = queries.service_visible_to(access, namespace, name)
    context = {
        "service": row,
        "may_change": access.has(Role.OPERATOR, row.project_id),
        "window": _window(request),
        "windows": WINDOWS,
    }
    return render(request, "mesh/service.html", context)


@get_or_post
@requires(Role.OPERATOR)
def mark(request: HttpRequest) -> HttpResponse:
    """Make a service reachable across clusters."""
    access = request_access(request)
    form = MarkForm(access, request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        project = values.pop("project")
        access.require(Role.OPERATOR, project.pk)
        try:
            row = actions.mark_reachable(
                project, values.pop("namespace"), values.pop("name"), person(request), **values
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The service is reachable across clusters."))
            return redirect("mesh:service", row.namespace, row.name)
    return render(request, "mesh/mark.html", {"form": form}, status=400 if form.errors else 200)


@get_or_post
@requires(Role.OPERATOR)
def change(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    row = _operated(request, namespace, name)
    initial = {"nearest": ", ".join(row.nearest), "hold_down_seconds": row.hold_down_seconds}
    form = ChangeForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            actions.change_service(row, person(request), **form.cleaned_data)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The order was changed."))
            return redirect("mesh:service", row.namespace, row.name)
    context = {"form": form, "service": row}
    return render(request, "mesh/change.html", context, status=400 if form.errors else 200)


@get_or_post
@requires(Role.OPERATOR)
def unmark(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """Ask, then take the service out of the mesh."""
    row = _operated(request, namespace, name)
    if request.method == "POST":
        actions.unmark(row, person(request))
        messages.success(request, _("The routes are being removed, then everything else."))
        return redirect("mesh:services")
    return render(request, "mesh/unmark.html", {"service": row})


@require_safe
@requires(Role.VIEWER)
def clusters(request: HttpRequest) -> HttpResponse:
    administers = request_access(request).has(Role.ADMINISTRATOR)
    return render(request, "mesh/clusters.html", {"administers": administers})


@get_or_post
@requires(Role.ADMINISTRATOR)
def cluster(request: HttpRequest, name: str) -> HttpResponse:
    """Set how others enter a cluster."""
    access = request_access(request)
    row = cluster_visible_to(access, name)
    access.require(Role.ADMINISTRATOR)
    form = ClusterMeshForm(request.POST or None, initial=_initial(row))
    if request.method == "POST" and form.is_valid():
        try:
            actions.set_cluster_mesh(row, person(request), **form.cleaned_data)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("mesh:clusters")
    context = {"form": form, "cluster": row}
    return render(request, "mesh/cluster.html", context, status=400 if form.errors else 200)


def _initial(row: Cluster) -> dict[str, object]:
    mesh = getattr(row, "mesh", NO_MESH)
    return {
        "gateways": "\n".join(mesh.entrance_texts),
        "network": mesh.network,
        "istio_id": mesh.istio_id,
        "scrape_seconds": mesh.scrape_seconds,
    }


def _window(request: HttpRequest) -> str:
    wanted = request.GET.get("window", "")
    return wanted if wanted in WINDOWS else DEFAULT_WINDOW


def _may_mark(access: Access) -> bool:
    return access.everywhere >= Role.OPERATOR or bool(access.project_ids(Role.OPERATOR))


def _operated(request: HttpRequest, namespace: str, name: str) -> MeshService:
    access = request_access(request)
    row = queries.service_visible_to(access, namespace, name)
    access.require(Role.OPERATOR, row.project_id)
    return row


def person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise NotAllowed
    return request.user
