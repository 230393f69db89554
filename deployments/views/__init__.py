"""Pages that show applications. Those that change them are in `changing` and `rollouts`."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from deployments import preview as previews
from deployments import queries
from deployments.forms import FilterForm
from deployments.fragments import ListKey, page_of, targets_key, targets_page
from deployments.models import Application
from deployments.texts import say
from fleet_portal.common.access import Role, request_access, requires
from fleet_portal.common.errors import ActionRefused, NotAllowed
from fleet_portal.common.models import User


def actor_of(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise NotAllowed
    return request.user


def posted(request: HttpRequest) -> tuple[Any, Any]:
    """Return what was posted and its files, even when empty; (None, None) for another method."""
    return (request.POST, request.FILES) if request.method == "POST" else (None, None)


def page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return int(text) if text.isdigit() and len(text) < 7 else 1


def application_for(request: HttpRequest, role: Role, project: str, name: str) -> Application:
    """Return the application if the viewer holds `role` on its project; strangers see nothing."""
    access = request_access(request)
    application = queries.application_visible_to(access, project, name)
    access.require(role, application.project_id)
    return application


@require_safe
@requires(Role.VIEWER)
def application_list(request: HttpRequest) -> HttpResponse:
    access = request_access(request)
    form = FilterForm(access, request.GET)
    key = ListKey(form.wanted(), page_number(request))
    context = {
        "form": form,
        "key": key.pack(),
        "page_obj": page_of(access, key),
        "may_create": queries.projects_operated_by(access).exists(),
    }
    return render(request, "deployments/list.html", context)


@require_safe
@requires(Role.VIEWER)
def application_detail(request: HttpRequest, project: str, name: str) -> HttpResponse:
    application = application_for(request, Role.VIEWER, project, name)
    page = page_number(request)
    context = {
        "application": application,
        "targets_key": targets_key(application, page),
        "page_obj": targets_page(application, page),
        "latest": application.revisions.first(),
        "may_operate": _may_operate(request, application),
    }
    return render(request, "deployments/detail.html", context)


def _may_operate(request: HttpRequest, application: Application) -> bool:
    may = request_access(request).has(Role.OPERATOR, application.project_id)
    return may and not application.system and application.deleting_at is None


@require_safe
@requires(Role.VIEWER)
def revision_detail(request: HttpRequest, project: str, name: str, number: int) -> HttpResponse:
    application = application_for(request, Role.VIEWER, project, name)
    revision = queries.revision_of(application, number)
    context = {
        "application": application,
        "revision": revision,
        "text": queries.revision_yaml(revision),
        "may_operate": _may_operate(request, application),
    }
    return render(request, "deployments/revision.html", context)


@require_safe
@requires(Role.VIEWER)
def preview(request: HttpRequest, project: str, name: str) -> HttpResponse:
    """Ask the clusters what a revision would change. It writes nothing, yet acts as the project."""
    application = application_for(request, Role.OPERATOR, project, name)
    number = request.GET.get("revision", "")
    revision = (
        queries.revision_of(application, int(number))
        if number.isdigit() and len(number) < 10
        else application.revisions.first()
    )
    context: dict[str, Any] = {"application": application, "revision": revision}
    if revision is not None:
        try:
            shown = previews.preview_revision(application, revision)
            context |= {"preview": shown, "notes": [say(note) for note in shown.notes]}
            context["decisions"] = [(item, say(item.why)) for item in shown.decisions]
        except ActionRefused as refusal:
            context["refusal"] = refusal.sentence
    return render(request, "deployments/preview.html", context)
