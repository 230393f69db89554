"""Pages of rollouts: the list, one rollout, starting and steering."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from deployments import actions, queries
from deployments.forms import RolloutForm, WaveFormSet, waves_initial
from deployments.fragments import rollouts_page
from deployments.models import Rollout
from deployments.views import actor_of, application_for, page_number, posted
from fleet_portal.common.access import Role, request_access, requires
from fleet_portal.common.errors import ActionRefused, NotVisible
from fleet_portal.common.forms import add_refusal

_EVENTS = {
    "pause": actions.pause_rollout,
    "resume": actions.resume_rollout,
    "abort": actions.abort_rollout,
}


@require_safe
@requires(Role.VIEWER)
def rollout_list(request: HttpRequest) -> HttpResponse:
    page = page_number(request)
    context = {"key": str(page), "page_obj": rollouts_page(request_access(request), page)}
    return render(request, "deployments/rollouts.html", context)


@require_safe
@requires(Role.VIEWER)
def rollout_detail(request: HttpRequest, pk: int) -> HttpResponse:
    access = request_access(request)
    rollout = queries.rollout_visible_to(access, pk)
    may = access.has(Role.OPERATOR, rollout.application.project_id)
    return render(request, "deployments/rollout.html", {"rollout": rollout, "may_operate": may})


@require_POST
@requires(Role.VIEWER)
def steer(request: HttpRequest, pk: int, event: str) -> HttpResponse:
    access = request_access(request)
    rollout = queries.rollout_visible_to(access, pk)
    access.require(Role.OPERATOR, rollout.application.project_id)
    if event not in _EVENTS:
        raise NotVisible
    try:
        _EVENTS[event](actor_of(request), rollout)
    except ActionRefused as refusal:
        messages.error(request, str(refusal.sentence))
    return redirect("deployments:rollout", rollout.pk)


@requires(Role.VIEWER)
def start(request: HttpRequest, project: str, name: str) -> HttpResponse:
    application = application_for(request, Role.OPERATOR, project, name)
    kwargs = {"access": request_access(request)}
    initial = {"soak_seconds": settings.FLEET_WAVE_SOAK_SECONDS}
    form = RolloutForm(posted(request)[0], initial=initial)
    waves = WaveFormSet(posted(request)[0], initial=waves_initial(application), form_kwargs=kwargs)
    if request.method == "POST" and form.is_valid() and waves.is_valid():
        given = [wave for item in waves.forms if (wave := item.wave()) is not None]
        try:
            rollout = actions.start_rollout(
                actor_of(request), application, waves=given, **form.cleaned_data
            )
            return redirect("deployments:rollout", rollout.pk)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    context = {
        "application": application,
        "form": form,
        "waves": waves,
        "revision": application.revisions.first(),
    }
    return render(request, "deployments/start.html", context, status=400 if form.errors else 200)


@requires(Role.VIEWER)
def back(request: HttpRequest, project: str, name: str, number: int) -> HttpResponse:
    """Go back to a revision by one click (htmx posts); without scripts a page asks first."""
    application = application_for(request, Role.OPERATOR, project, name)
    revision = queries.revision_of(application, number)
    if request.method != "POST":
        context = {"application": application, "revision": revision}
        return render(request, "deployments/back.html", context)
    try:
        rollout: Rollout = actions.rollback_application(actor_of(request), application, revision)
        address = reverse("deployments:rollout", args=[rollout.pk])
    except ActionRefused as refusal:
        messages.error(request, str(refusal.sentence))
        address = reverse("deployments:detail", args=[project, name])
    else:
        messages.success(request, _("Going back to revision %(number)d.") % {"number": number})
    if getattr(request, "htmx", False):
        return HttpResponseClientRedirect(address)
    return redirect(address)
