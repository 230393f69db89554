"""Django's admin for people: administrators of everything may enter; each change is an action."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from fleet_portal.common import actions
from fleet_portal.common.admin_site import is_administrator
from fleet_portal.common.errors import NotAllowed
from fleet_portal.common.models import AuditEntry, Project, RoleBinding, Team, User


class PortalAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Grounds of every model admin of the portal: an administrator may, nobody else."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_administrator(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_administrator(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_administrator(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_administrator(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_administrator(request)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Do nothing: the action in `save_model` has set related rows as well."""


class ReadOnlyAdmin(PortalAdmin):
    """Rows that administrators may look at; only actions and loops change them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def actor_of(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise NotAllowed
    return request.user


class NewUserForm(AdminUserCreationForm):  # type: ignore[type-arg]
    """Django's form for a new user, on the portal's own model."""

    class Meta:
        model = User
        fields = ("username",)


@admin.register(User)
class PersonAdmin(PortalAdmin, UserAdmin):  # type: ignore[type-arg]
    """People: the login is fixed, nobody is deleted, only deactivated."""

    add_form = NewUserForm
    list_display = ("username", "first_name", "last_name", "email", "is_active", "last_login")
    list_filter = ("is_active", "teams")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Personal info"), {"fields": ("first_name", "last_name", "email")}),
        (_("Access"), {"fields": ("is_active", "last_login", "date_joined")}),
    )
    filter_horizontal = ()

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        return ("username", "last_login", "date_joined") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change:
            actions.change_user(actor_of(request), obj)
        else:
            actions.create_user(actor_of(request), obj)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        with transaction.atomic():
            response = super().user_change_password(request, id, form_url)
            person = self.get_object(request, unquote(id))
            if request.method == "POST" and response.status_code == 302 and person is not None:
                actions.note_password_change(actor_of(request), person)
        return response


@admin.register(Team)
class TeamAdmin(PortalAdmin):
    """Teams and who is in them."""

    list_display = ("slug", "name")
    search_fields = ("slug", "name")
    filter_horizontal = ("members",)

    def save_model(self, request: HttpRequest, obj: Team, form: Any, change: bool) -> None:
        members = form.cleaned_data["members"]
        if change:
            actions.change_team(actor_of(request), obj, members)
        else:
            actions.create_team(actor_of(request), obj, members)

    def delete_model(self, request: HttpRequest, obj: Team) -> None:
        actions.delete_team(actor_of(request), obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Team]) -> None:
        with transaction.atomic():
            for team in queryset:
                actions.delete_team(actor_of(request), team)


@admin.register(Project)
class ProjectAdmin(PortalAdmin):
    """Projects: clusters know the slug, so it stays, and so does the project."""

    list_display = ("slug", "name", "created_at")
    search_fields = ("slug", "name")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Project | None = None
    ) -> tuple[str, ...]:
        return ("slug", "created_at") if obj else ("created_at",)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:
        if change:
            actions.change_project(actor_of(request), obj)
        else:
            actions.create_project(actor_of(request), obj)


@admin.register(RoleBinding)
class RoleBindingAdmin(PortalAdmin):
    """Roles are given and taken away, never changed."""

    list_display = ("role", "user", "team", "project", "created_at")
    list_filter = ("role", "project", "team")
    list_select_related = ("user", "team", "project")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: RoleBinding, form: Any, change: bool) -> None:
        actions.grant_role(actor_of(request), obj)

    def delete_model(self, request: HttpRequest, obj: RoleBinding) -> None:
        actions.revoke_role(actor_of(request), obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[RoleBinding]) -> None:
        with transaction.atomic():
            for binding in queryset:
                actions.revoke_role(actor_of(request), binding)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """The audit table."""

    list_display = ("at", "actor_name", "action", "object_name", "project", "outcome")
    list_filter = ("outcome", "action")
    search_fields = ("actor_name", "object_name")
    list_select_related = ("project",)


# Roles are the portal's own: Django's groups would suggest a second way of giving rights.
admin.site.unregister(Group)
