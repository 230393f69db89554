"""Login, the fleet's home, the audit list, roles, and the pages of refused requests."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import RequestDataTooBig
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django.views.i18n import set_language

from fleet_portal.common import actions
from fleet_portal.common.access import Role, request_access, requires
from fleet_portal.common.errors import ActionRefused, NotAllowed
from fleet_portal.common.forms import (
    AuditFilterForm,
    GrantRoleForm,
    LoginForm,
    add_refusal,
    remote_address,
)
from fleet_portal.common.fragments import AUDIT_PAGE_SIZE, audit_key
from fleet_portal.common.home import panels
from fleet_portal.common.models import User
from fleet_portal.common.queries import (
    audit_visible_to,
    roles_administered_by,
)


class Login(LoginView):
    """Ask for login and password; afterwards the pages speak the person's language."""

    form_class = LoginForm
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        user = form.get_user()
        actions.record_login(user, remote_address(self.request))
        if user.language:
            response.set_cookie(settings.LANGUAGE_COOKIE_NAME, user.language, samesite="Lax")
        return response


class Password(PasswordChangeView):
    """Let a person set a new password of their own."""

    template_name = "registration/password.html"
    success_url = reverse_lazy("home")

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            actions.note_password_change(_person(self.request), _person(self.request))
        messages.success(self.request, _("Your password was changed."))
        return response


def choose_language(request: HttpRequest) -> HttpResponse:
    """Set the language of this browser and keep it as the person's own."""
    response = set_language(request)
    chosen = request.POST.get("language", "")
    if isinstance(request.user, User) and chosen in dict(settings.LANGUAGES):
        User.objects.filter(pk=request.user.pk).update(language=chosen)
    return response


@require_safe
def home(request: HttpRequest) -> HttpResponseBase:
    """Show what needs attention first, then the fleet; a stranger to every project a hint."""
    if not request.user.is_authenticated:
        return redirect("login")
    if not request_access(request).sees_anything:
        return render(request, "common/no_role.html")
    return render(request, "common/home.html", {"panels": panels.in_order()})


@require_safe
@requires(Role.VIEWER)
def audit(request: HttpRequest) -> HttpResponse:
    form = AuditFilterForm(request.GET)
    wanted = form.wanted()
    paginator = Paginator(audit_visible_to(request_access(request), wanted), AUDIT_PAGE_SIZE)
    page_obj = paginator.get_page(request.GET.get("page"))
    context = {"form": form, "page_obj": page_obj, "key": audit_key(wanted, page_obj.number)}
    return render(request, "common/audit.html", context)


@requires(Role.ADMINISTRATOR)
def people(request: HttpRequest) -> HttpResponse:
    """Show and give roles, to administrators of everything and of single projects alike."""
    access = request_access(request)
    form = GrantRoleForm(access, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.grant_role(_person(request), form.binding())
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The role was given."))
            return redirect("people")
    return render(request, "common/people.html", {"form": form}, status=400 if form.errors else 200)


@requires(Role.ADMINISTRATOR)
def revoke_role(request: HttpRequest, binding_id: int) -> HttpResponse:
    """Ask, then take a role away."""
    binding = roles_administered_by(request_access(request)).filter(pk=binding_id).first()
    if binding is None:
        raise Http404
    if request.method == "POST":
        actions.revoke_role(_person(request), binding)
        messages.success(request, _("The role was taken away."))
        return redirect("people")
    return render(request, "common/revoke_role.html", {"binding": binding})


def _person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise NotAllowed
    return request.user


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return render(request, "413.html", status=413)
    return render(request, "400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Draw a page that needs nothing: no database, no session, no translation."""
    return HttpResponse(render_to_string("500.html"), status=500)
