"""REST for people: who am I, projects, roles, the audit table."""

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.views import APIView

from fleet_portal.common import actions
from fleet_portal.common.access import Access, Role, access_of
from fleet_portal.common.errors import ActionRefused, NotAllowed, NotVisible
from fleet_portal.common.forms import AuditFilterForm
from fleet_portal.common.models import AuditEntry, Project, RoleBinding, Team, User
from fleet_portal.common.queries import (
    audit_visible_to,
    people_known_to,
    projects_administered_by,
    projects_visible_to,
    roles_administered_by,
    teams_known_to,
)
from fleet_portal.common.rest import StrictSerializer


def api_access(request: Request) -> Access:
    """Return the rights of whoever the API has authenticated."""
    return access_of(request.user)


def _person(request: Request) -> User:
    if not isinstance(request.user, User):
        raise NotAllowed
    return request.user


class MeSerializer(serializers.Serializer[dict[str, Any]]):
    """The caller and the caller's roles."""

    login = serializers.CharField()
    name = serializers.CharField()
    role = serializers.ChoiceField(["none", "viewer", "operator", "administrator"])
    projects = serializers.DictField(child=serializers.CharField())


class MeView(APIView):
    """`GET /me/`: `role` holds on everything, `projects` maps a slug to the role there."""

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        person, access = _person(request), api_access(request)
        slugs = dict(projects_visible_to(access).values_list("pk", "slug"))
        body = {
            "login": person.username,
            "name": person.get_full_name(),
            "role": access.everywhere.name.lower(),
            "projects": {slug: access.role_on(pk).name.lower() for pk, slug in slugs.items()},
        }
        return Response(body)


class ProjectSerializer(StrictSerializer, serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = ("slug", "name", "created_at")
        read_only_fields = ("created_at",)


class ProjectViewSet(
    mixins.CreateModelMixin,
    mixins.UpdateModelMixin,
    viewsets.ReadOnlyModelViewSet[Project],
):
    """Projects the caller sees; administrators of everything create and rename them."""

    serializer_class = ProjectSerializer
    queryset = Project.objects.none()
    lookup_field = "slug"
    http_method_names = ["get", "post", "patch", "head", "options"]

    def get_queryset(self) -> QuerySet[Project]:
        return projects_visible_to(api_access(self.request))

    def perform_create(self, serializer: Any) -> None:
        api_access(self.request).require(Role.ADMINISTRATOR)
        project = Project(**serializer.validated_data)
        serializer.instance = actions.create_project(_person(self.request), project)

    def perform_update(self, serializer: Any) -> None:
        project = serializer.instance
        api_access(self.request).require(Role.ADMINISTRATOR, project.pk)
        for name, value in serializer.validated_data.items():
            setattr(project, name, value)
        actions.change_project(_person(self.request), project)


class RoleBindingSerializer(StrictSerializer, serializers.ModelSerializer[RoleBinding]):
    """One role: exactly one of `user` (login) and `team` (slug); without project, everything."""

    user = serializers.SlugRelatedField("username", queryset=User.objects.none(), required=False)
    team = serializers.SlugRelatedField("slug", queryset=Team.objects.none(), required=False)
    project = serializers.SlugRelatedField(
        "slug", queryset=Project.objects.none(), required=False, allow_null=True
    )

    class Meta:
        model = RoleBinding
        fields = ("id", "user", "team", "role", "project", "created_at")
        read_only_fields = ("id", "created_at")
        # The action judges the whole row and says it in one sentence.
        validators: list[Any] = []

    def get_fields(self) -> Any:
        fields: Any = super().get_fields()
        request = self.context.get("request")
        if request is not None:
            access = api_access(request)
            fields["user"].queryset = people_known_to(access)
            fields["team"].queryset = teams_known_to(access)
            fields["project"].queryset = projects_administered_by(access)
        return fields


class RoleBindingViewSet(
    mixins.CreateModelMixin,
    mixins.DestroyModelMixin,
    viewsets.ReadOnlyModelViewSet[RoleBinding],
):
    """Roles where the caller is administrator."""

    serializer_class = RoleBindingSerializer
    queryset = RoleBinding.objects.none()

    def get_queryset(self) -> QuerySet[RoleBinding]:
        return roles_administered_by(api_access(self.request))

    def perform_create(self, serializer: Any) -> None:
        binding = RoleBinding(**serializer.validated_data)
        access = api_access(self.request)
        access.require(Role.ADMINISTRATOR, binding.project_id)
        serializer.instance = actions.grant_role(_person(self.request), binding)

    def perform_destroy(self, instance: RoleBinding) -> None:
        actions.revoke_role(_person(self.request), instance)


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    actor = serializers.CharField(source="actor_name")
    project = serializers.CharField(source="project.slug", allow_null=True, default=None)

    class Meta:
        model = AuditEntry
        fields = (
            *("id", "at", "actor", "action", "object_kind", "object_id", "object_name"),
            *("project", "outcome", "detail"),
        )


_FILTERS = [
    OpenApiParameter("actor", OpenApiTypes.STR),
    OpenApiParameter("action", OpenApiTypes.STR, description="Begins with this."),
    OpenApiParameter("object_text", OpenApiTypes.STR, description="Part of the object's name."),
    OpenApiParameter("outcome", OpenApiTypes.STR, enum=[code for code, _ in AuditEntry.OUTCOMES]),
    OpenApiParameter("since", OpenApiTypes.DATE),
    OpenApiParameter("until", OpenApiTypes.DATE),
]


class AuditViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[AuditEntry]):
    """The audit table, newest first, as far as the caller may see it."""

    serializer_class = AuditEntrySerializer
    queryset = AuditEntry.objects.none()

    @extend_schema(parameters=_FILTERS)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[AuditEntry]:
        access = api_access(self.request)
        if not access.sees_anything:
            raise NotVisible
        form = AuditFilterForm(self.request.query_params)
        if not form.is_valid():
            field, messages = next(iter(form.errors.items()))
            raise ActionRefused(str(messages[0]), field=field)
        return audit_visible_to(access, form.wanted())


def register(router: DefaultRouter) -> None:
    """Add this package's resources to the API's router."""
    router.register("projects", ProjectViewSet, basename="project")
    router.register("role-bindings", RoleBindingViewSet, basename="role-binding")
    router.register("audit", AuditViewSet, basename="audit")


urlpatterns = [path("me/", MeView.as_view(), name="api-me")]
