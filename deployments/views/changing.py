"""Pages that change an application: load, check access, call one action, answer."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from deployments import actions, queries
from deployments.actions.planning import replicas_now
from deployments.blobs import load_content
from deployments.forms import (
    NewApplicationForm,
    OverrideFormSet,
    PlacementForm,
    RevisionForm,
    ScaleForm,
    override_initial,
    selection_initial,
)
from deployments.models import Application
from deployments.views import actor_of, application_for, posted
from fleet_portal.common.access import Role, request_access, requires
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.forms import add_refusal


def back_to(application: Application) -> HttpResponse:
    return redirect("deployments:detail", application.project.slug, application.name)


@requires(Role.OPERATOR)
def application_new(request: HttpRequest) -> HttpResponse:
    form = NewApplicationForm(request_access(request), *posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            application = _create(request, form)
            return redirect("deployments:preview", application.project.slug, application.name)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    context = {"form": form}
    return render(request, "deployments/new.html", context, status=400 if form.errors else 200)


def _create(request: HttpRequest, form: NewApplicationForm) -> Application:
    values = form.cleaned_data
    return actions.create_application(
        actor_of(request),
        values["project"],
        name=values["name"],
        namespace=values["namespace"],
        manifests=form.content(),
        placement=form.placement() or None,
    )


@requires(Role.VIEWER)
def revise(request: HttpRequest, project: str, name: str) -> HttpResponse:
    application = application_for(request, Role.OPERATOR, project, name)
    latest = application.revisions.first()
    initial = {"manifests": queries.revision_yaml(latest, replicas=True) if latest else ""}
    form = RevisionForm(*posted(request), initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            text, note = form.manifest_text(), form.cleaned_data["note"]
            revision = actions.save_revision(actor_of(request), application, text, note)
            if latest is not None and revision.pk == latest.pk:
                messages.info(request, _("Nothing but replica counts differs: no new revision."))
                return back_to(application)
            return redirect("deployments:preview", project, name)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    return _form_page(request, "deployments/revise.html", application, form)


@requires(Role.VIEWER)
def placement(request: HttpRequest, project: str, name: str) -> HttpResponse:
    application = application_for(request, Role.OPERATOR, project, name)
    initial = selection_initial(application.placement)
    form = PlacementForm(request_access(request), posted(request)[0], initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            actions.set_placement(actor_of(request), application, form.placement())
            messages.success(request, _("Saved. The next rollout takes it there."))
            return back_to(application)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    return _form_page(request, "deployments/placement.html", application, form)


@requires(Role.VIEWER)
def overrides(request: HttpRequest, project: str, name: str) -> HttpResponse:
    application = application_for(request, Role.OPERATOR, project, name)
    initial = [override_initial(row) for row in application.overrides.all()]
    formset = OverrideFormSet(
        posted(request)[0], initial=initial, form_kwargs={"access": request_access(request)}
    )
    refusal = None
    if request.method == "POST" and formset.is_valid():
        kept = [
            form
            for form in formset.forms
            if form.cleaned_data and not form.cleaned_data.get("DELETE")
        ]
        try:
            given = [form.override() for form in kept]
            actions.set_overrides(actor_of(request), application, given)
            messages.success(request, _("Saved. The next rollout takes it there."))
            return back_to(application)
        except ActionRefused as error:
            refusal = error.sentence
    context = {"application": application, "formset": formset, "refusal": refusal}
    failed = refusal is not None or (request.method == "POST" and not formset.is_valid())
    return render(request, "deployments/overrides.html", context, status=400 if failed else 200)


@requires(Role.VIEWER)
def scale(request: HttpRequest, project: str, name: str) -> HttpResponse:
    application = application_for(request, Role.OPERATOR, project, name)
    latest = application.revisions.first()
    counts = replicas_now(application, load_content(latest)) if latest else {}
    form = ScaleForm(counts, posted(request)[0])
    if request.method == "POST" and form.is_valid():
        try:
            actions.scale_application(actor_of(request), application, form.counts())
            messages.success(request, _("Scaling: the clusters are being told."))
            return back_to(application)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    return _form_page(request, "deployments/scale.html", application, form)


@requires(Role.VIEWER)
def delete(request: HttpRequest, project: str, name: str) -> HttpResponse:
    application = application_for(request, Role.OPERATOR, project, name)
    if request.method == "POST":
        if actions.delete_application(actor_of(request), application):
            messages.success(request, _("%(name)s is deleted.") % {"name": application.name})
            return redirect("deployments:list")
        messages.info(request, _("Being deleted: each cluster confirms that it is gone."))
        return back_to(application)
    context = {"application": application, "targets": queries.targets_of(application)[:20]}
    return render(request, "deployments/delete.html", context)


def _form_page(
    request: HttpRequest, template: str, application: Application, form: Any
) -> HttpResponse:
    context = {"application": application, "form": form}
    return render(request, template, context, status=400 if form.errors else 200)
