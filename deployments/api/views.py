"""REST for applications and rollouts: the same actions and queries as the pages."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from deployments import actions, queries
from deployments import preview as previews
from deployments.api.serializers import (
    ApplicationSerializer,
    BackSerializer,
    DecisionsSerializer,
    DeletionSerializer,
    ManifestsSerializer,
    NewApplicationSerializer,
    OverrideSerializer,
    PreviewSerializer,
    RevisionDetailSerializer,
    RevisionSerializer,
    RolloutDetailSerializer,
    RolloutSerializer,
    ScaleSerializer,
    SelectionSerializer,
    StartSerializer,
    TargetSerializer,
)
from deployments.facts import rollout_facts
from deployments.models import Application, Revision, Rollout
from deployments.texts import say, say_note
from fleet_portal.common.access import Access, Role, access_of
from fleet_portal.common.errors import ActionRefused, NotAllowed, NotVisible
from fleet_portal.common.models import User

_TEXT = OpenApiTypes.STR
_ID = OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH)
_NUMBER = OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH)
_REVISION = OpenApiParameter("revision", OpenApiTypes.INT, description="Absent: the latest.")
_FILTERS = [
    OpenApiParameter("text", _TEXT, description="Part of name, namespace or project."),
    OpenApiParameter("project", _TEXT),
    OpenApiParameter("name", _TEXT, description="The whole name."),
    OpenApiParameter("state", _TEXT, enum=["troubled", "working", "well"]),
    OpenApiParameter("system", OpenApiTypes.BOOL, description="The portal's own instead."),
]


def _access(request: Request) -> Access:
    return access_of(request.user)


def _person(request: Request) -> User:
    if not isinstance(request.user, User):
        raise NotAllowed
    return request.user


def _read(serializer: Any) -> Any:
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _content(values: dict[str, Any]) -> Any:
    """Return the manifests of a request, as text or objects; None when there are none."""
    if values.get("manifests") and values.get("objects"):
        raise ActionRefused(_("Give either manifests or objects."), "manifests")
    return values.get("manifests") or values.get("objects") or None


class ApplicationViewSet(viewsets.GenericViewSet[Application]):
    """Applications of the caller's projects; operators of a project change them."""

    queryset = Application.objects.none()
    serializer_class = ApplicationSerializer
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[Application]:
        given = self.request.query_params
        wanted: dict[str, Any] = {
            name: given[name] for name in ("text", "project", "state") if given.get(name)
        }
        wanted["system"] = given.get("system", "").lower() in ("1", "true", "yes")
        rows = queries.applications_matching(
            _access(self.request), queries.ApplicationFilter(**wanted)
        )
        return rows.filter(name=given["name"]) if given.get("name") else rows

    def _application(self, role: Role = Role.VIEWER) -> Application:
        access = _access(self.request)
        found = queries.applications_visible_to(access).filter(pk=self.kwargs["pk"]).first()
        if found is None:
            raise NotVisible
        access.require(role, found.project_id)
        return found

    def _answer(self, application: Application, status: int = 200) -> Response:
        rows = queries.applications_counted(_access(self.request))
        return Response(ApplicationSerializer(rows.get(pk=application.pk)).data, status=status)

    @extend_schema(parameters=_FILTERS, responses=ApplicationSerializer(many=True))
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response(ApplicationSerializer(page, many=True).data)

    @extend_schema(responses=ApplicationSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        return self._answer(self._application())

    @extend_schema(request=NewApplicationSerializer, responses={201: ApplicationSerializer})
    def create(self, request: Request) -> Response:
        values = _read(NewApplicationSerializer(data=request.data))
        projects = queries.projects_viewed_by(_access(request))
        project = projects.filter(slug=values["project"]).first()
        if project is None:
            raise ActionRefused(
                _("There is no project “%(slug)s”.") % {"slug": values["project"][:60]}, "project"
            )
        _access(request).require(Role.OPERATOR, project.pk)
        application = actions.create_application(
            _person(request),
            project,
            name=values["name"],
            namespace=values["namespace"],
            manifests=_content(values),
            placement=values.get("placement"),
            note=values["note"],
        )
        return self._answer(application, 201)

    @extend_schema(responses={202: DeletionSerializer})
    def destroy(self, request: Request, pk: str) -> Response:
        gone = actions.delete_application(_person(request), self._application(Role.OPERATOR))
        return Response(DeletionSerializer({"gone": gone}).data, status=202)

    @extend_schema(methods=["get"], responses=RevisionSerializer(many=True), filters=False)
    @extend_schema(
        methods=["post"], request=ManifestsSerializer, responses={201: RevisionSerializer}
    )
    @action(detail=True, methods=["get", "post"], pagination_class=None)
    def revisions(self, request: Request, pk: str) -> Response:
        """List the revisions, newest first; POST saves a new one."""
        if request.method == "GET":
            rows = queries.revisions_of(self._application())
            return Response(RevisionSerializer(rows, many=True).data)
        application = self._application(Role.OPERATOR)
        values = _read(ManifestsSerializer(data=request.data))
        content = _content(values)
        if content is None:
            raise ActionRefused(_("Give manifests or objects."), "manifests")
        revision = actions.save_revision(_person(request), application, content, values["note"])
        row = queries.revisions_of(application).get(pk=revision.pk)
        return Response(RevisionSerializer(row).data, status=201)

    @extend_schema(parameters=[_ID, _NUMBER], responses=RevisionDetailSerializer)
    @action(detail=True, methods=["get"], url_path="revisions/(?P<number>[0-9]{1,9})")
    def revision(self, request: Request, pk: str, number: str) -> Response:
        """Return one revision with its manifests."""
        application = self._application()
        found = queries.revision_of(application, int(number))
        row: Any = queries.revisions_of(application).get(pk=found.pk)
        row.manifests = queries.revision_yaml(found, replicas=True)
        return Response(RevisionDetailSerializer(row).data)

    @extend_schema(methods=["get"], responses=DecisionsSerializer)
    @extend_schema(methods=["put"], request=SelectionSerializer, responses=DecisionsSerializer)
    @action(detail=True, methods=["get", "put"])
    def placement(self, request: Request, pk: str) -> Response:
        """Return a decision with its sentence for each cluster; PUT sets the placement."""
        if request.method == "PUT":
            application = self._application(Role.OPERATOR)
            values = _read(SelectionSerializer(data=request.data))
            actions.set_placement(_person(request), application, values)
        decisions, refusal = queries.decisions_of(self._application())
        body = {"decisions": decisions, "refusal": refusal}
        return Response(DecisionsSerializer(body).data)

    @extend_schema(methods=["get"], responses=OverrideSerializer(many=True), filters=False)
    @extend_schema(
        methods=["put"],
        request=OverrideSerializer(many=True),
        responses=OverrideSerializer(many=True),
    )
    @action(detail=True, methods=["get", "put"], pagination_class=None)
    def overrides(self, request: Request, pk: str) -> Response:
        """Return the overrides; PUT replaces them all."""
        if request.method == "PUT":
            application = self._application(Role.OPERATOR)
            values = _read(OverrideSerializer(data=request.data, many=True))
            actions.set_overrides(_person(request), application, values)
        rows = self._application().overrides.all()
        return Response(OverrideSerializer(rows, many=True).data)

    @extend_schema(request=ScaleSerializer, responses=ApplicationSerializer)
    @action(detail=True, methods=["post"])
    def scale(self, request: Request, pk: str) -> Response:
        """Set replica counts at once: no revision, no waves."""
        application = self._application(Role.OPERATOR)
        values = _read(ScaleSerializer(data=request.data))
        actions.scale_application(_person(request), application, values["replicas"])
        return self._answer(application)

    @extend_schema(responses=TargetSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def targets(self, request: Request, pk: str) -> Response:
        """Return what is wanted and what was seen in each cluster."""
        application = self._application()
        rows = queries.target_rows(application, queries.targets_of(application))
        return Response(TargetSerializer(rows, many=True).data)

    @extend_schema(parameters=[_REVISION], responses=PreviewSerializer)
    @action(detail=True, methods=["get"])
    def preview(self, request: Request, pk: str) -> Response:
        """Ask each cluster, by dry-run, what a revision would change there."""
        application = self._application(Role.OPERATOR)
        number = request.query_params.get("revision", "")
        revision = _revision(application, int(number) if number.isdigit() else None)
        shown = previews.preview_revision(application, revision)
        body = {
            "revision": revision,
            "groups": shown.groups,
            "notes": [say(note) for note in shown.notes],
        }
        return Response(PreviewSerializer(body).data)

    @extend_schema(request=BackSerializer, responses={201: RolloutSerializer})
    @action(detail=True, methods=["post"])
    def back(self, request: Request, pk: str) -> Response:
        """Go back to an earlier revision everywhere at once."""
        application = self._application(Role.OPERATOR)
        values = _read(BackSerializer(data=request.data))
        revision = _revision(application, values["revision"])
        rollout = actions.rollback_application(_person(request), application, revision)
        return Response(RolloutSerializer(rollout).data, status=201)


def _revision(application: Application, number: int | None) -> Revision:
    if number is not None:
        return queries.revision_of(application, number)
    latest = application.revisions.first()
    if latest is None:
        raise ActionRefused(_("There is no revision yet: save manifests first."), "revision")
    return latest


class RolloutViewSet(viewsets.GenericViewSet[Rollout]):
    """Rollouts of the caller's projects, newest first; operators start and steer them."""

    queryset = Rollout.objects.none()
    serializer_class = RolloutSerializer
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[Rollout]:
        rows = queries.rollouts_visible_to(_access(self.request))
        application = self.request.query_params.get("application", "")
        return rows.filter(application=int(application)) if application.isdigit() else rows

    @extend_schema(
        parameters=[OpenApiParameter("application", OpenApiTypes.INT)],
        responses=RolloutSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response(RolloutSerializer(page, many=True).data)

    @extend_schema(responses=RolloutDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        return _detail(queries.rollout_visible_to(_access(request), int(pk)))

    @extend_schema(request=StartSerializer, responses={201: RolloutDetailSerializer})
    def create(self, request: Request) -> Response:
        values = _read(StartSerializer(data=request.data))
        access = _access(request)
        visible = queries.applications_visible_to(access)
        application = visible.filter(pk=values.pop("application")).first()
        if application is None:
            raise ActionRefused(_("There is no such application."), "application")
        access.require(Role.OPERATOR, application.project_id)
        number = values.pop("revision", None)
        values.setdefault("soak_seconds", settings.FLEET_WAVE_SOAK_SECONDS)
        rollout = actions.start_rollout(
            _person(request),
            application,
            revision=_revision(application, number) if number is not None else None,
            **values,
        )
        return _detail(queries.rollout_visible_to(access, rollout.pk), 201)

    @extend_schema(request=None, responses=RolloutDetailSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Stop before the next step."""
        return self._steer(actions.pause_rollout)

    @extend_schema(request=None, responses=RolloutDetailSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on; clusters that failed get another try."""
        return self._steer(actions.resume_rollout)

    @extend_schema(request=None, responses=RolloutDetailSerializer)
    @action(detail=True, methods=["post"])
    def abort(self, request: Request, pk: str) -> Response:
        """End it; clusters keep the revision they have now."""
        return self._steer(actions.abort_rollout)

    def _steer(self, act: Callable[[User, Rollout], Rollout]) -> Response:
        access = _access(self.request)
        rollout = queries.rollout_visible_to(access, int(self.kwargs["pk"]))
        access.require(Role.OPERATOR, rollout.application.project_id)
        act(_person(self.request), rollout)
        return _detail(queries.rollout_visible_to(access, rollout.pk))


def _detail(rollout: Rollout, status: int = 200) -> Response:
    facts = rollout_facts(rollout)
    body = {
        "rollout": rollout,
        "waves": facts.waves,
        "waits": queries.waits_of(facts),
        "notes": [say_note(note) for note in rollout.notes],
    }
    return Response(RolloutDetailSerializer(body).data, status=status)
