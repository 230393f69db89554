"""REST for clusters, regions, the pool and people's short tokens."""

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clusters import actions, manifests, queries
from clusters.api.serializers import (
    ChangeSerializer,
    ClusterDetailSerializer,
    ClusterSerializer,
    JoinSerializer,
    LeftoversSerializer,
    PoolSerializer,
    RegionSerializer,
    RegisterSerializer,
    RejoinSerializer,
    TokenSerializer,
)
from clusters.domain.progress import is_ready
from clusters.domain.statuses import LIVENESS
from clusters.models import Cluster, Region
from fleet_portal.common.access import Access, Role, access_of
from fleet_portal.common.errors import ActionRefused, NotAllowed
from fleet_portal.common.models import Project, User

_TEXT = OpenApiTypes.STR
_FILTERS = [
    OpenApiParameter("text", _TEXT, description="Part of the name or the region."),
    OpenApiParameter("region", _TEXT),
    OpenApiParameter("state", _TEXT, enum=[status.value for status in LIVENESS]),
    OpenApiParameter("mode", _TEXT, enum=[mode for mode, _label in Cluster.MODES]),
    OpenApiParameter("sort", _TEXT, enum=sorted(queries.SORTS), description="`-` reverses."),
]


def _access(request: Request) -> Access:
    return access_of(request.user)


def _person(request: Request) -> User:
    if not isinstance(request.user, User):
        raise NotAllowed
    return request.user


def _read(serializer: Any) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


def _join_answer(join: actions.Join, status: int) -> Response:
    command = manifests.join_command(join.token)
    body = {
        "name": join.cluster.name,
        "command": command.command,
        "address": command.address,
        "expires_at": join.expires_at,
    }
    return Response(JoinSerializer(body).data, status=status)


class ClusterViewSet(viewsets.GenericViewSet[Any]):
    """Clusters that the caller may see; operators of everything register and change them."""

    queryset = Cluster.objects.none()
    serializer_class = ClusterSerializer
    lookup_field = "name"
    lookup_value_regex = "[a-z0-9-]+"

    def get_queryset(self) -> QuerySet[Cluster]:
        wanted = {
            name: value
            for name in ("text", "region", "state", "mode", "sort")
            if (value := self.request.query_params.get(name))
        }
        return queries.clusters_matching(_access(self.request), queries.ClusterFilter(**wanted))

    def _cluster(self, role: Role = Role.VIEWER) -> Cluster:
        access = _access(self.request)
        cluster = queries.cluster_visible_to(access, self.kwargs["name"])
        if role > Role.VIEWER:
            access.require(role)
        return cluster

    @extend_schema(parameters=_FILTERS, responses=ClusterSerializer(many=True))
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        rows = queries.rows_of(page, timezone.now())
        return self.get_paginated_response(ClusterSerializer(rows, many=True).data)

    @extend_schema(responses=ClusterDetailSerializer)
    def retrieve(self, request: Request, name: str) -> Response:
        return self._detail(self._cluster())

    def _detail(self, cluster: Cluster) -> Response:
        now = timezone.now()
        row = queries.rows_of([cluster], now)[0]
        steps = queries.join_progress(cluster, now)
        body = {
            "cluster": cluster,
            "liveness": row.liveness,
            "capacity": row.capacity,
            "steps": steps,
            "ready": is_ready(steps),
            "scopes": queries.scopes_of(cluster, _access(self.request)),
        }
        return Response(ClusterDetailSerializer(body).data)

    @extend_schema(request=RegisterSerializer, responses={201: JoinSerializer})
    def create(self, request: Request) -> Response:
        _access(request).require(Role.OPERATOR)
        values = _read(RegisterSerializer(data=request.data))
        return _join_answer(actions.register_cluster(actor=_person(request), **values), 201)

    @extend_schema(request=ChangeSerializer, responses=ClusterDetailSerializer)
    def partial_update(self, request: Request, name: str) -> Response:
        cluster = self._cluster(Role.OPERATOR)
        values = _read(ChangeSerializer(data=request.data))
        _change(cluster, values, _person(request))
        self.kwargs["name"] = cluster.name
        return self._detail(self._cluster())

    @extend_schema(responses=LeftoversSerializer)
    def destroy(self, request: Request, name: str) -> Response:
        commands = actions.remove_cluster(self._cluster(Role.OPERATOR), _person(request))
        return Response(LeftoversSerializer({"commands": commands}).data)

    @extend_schema(request=RejoinSerializer, responses={201: JoinSerializer})
    @action(detail=True, methods=["post"])
    def rejoin(self, request: Request, name: str) -> Response:
        """Make a new join command for the same name."""
        cluster = self._cluster(Role.OPERATOR)
        values = _read(RejoinSerializer(data=request.data))
        return _join_answer(actions.reissue_join(cluster, _person(request), **values), 201)

    @extend_schema(
        responses={(200, "text/yaml"): OpenApiResponse(OpenApiTypes.STR, "The manifest.")}
    )
    @action(detail=True, methods=["get"])
    def manifest(self, request: Request, name: str) -> HttpResponse:
        """Return the manifest as it would be printed now, without its token."""
        text = manifests.manifest_text(self._cluster())
        return HttpResponse(text, content_type="text/yaml; charset=utf-8")

    @extend_schema(
        responses={(200, "text/yaml"): OpenApiResponse(OpenApiTypes.STR, "The rules alone.")}
    )
    @action(detail=True, methods=["get"])
    def rules(self, request: Request, name: str) -> HttpResponse:
        """Return the rules alone, to be applied again after names or scopes changed."""
        text = manifests.rules_text(self._cluster())
        return HttpResponse(text, content_type="text/yaml; charset=utf-8")

    @extend_schema(request=None, responses=ClusterDetailSerializer)
    @action(detail=True, methods=["post"], url_path="rules-applied")
    def rules_applied(self, request: Request, name: str) -> Response:
        """Tell the portal that the rules as printed now were applied."""
        cluster = self._cluster(Role.OPERATOR)
        actions.confirm_names(cluster, _person(request))
        return self._detail(cluster)


def _change(cluster: Cluster, values: dict[str, Any], actor: User) -> None:
    """Call the action of each member that is there; one that is refused undoes the rest."""
    with actions.all_or_nothing():
        if "name" in values:
            actions.rename_cluster(cluster, values["name"], actor)
        if "region" in values:
            actions.move_region(cluster, values["region"], actor)
        if "labels" in values:
            actions.set_labels(cluster, values["labels"], actor)
        if "production" in values:
            actions.set_production(cluster, values["production"], actor)
        for slug, namespaces in values.get("scopes", {}).items():
            project = Project.objects.filter(slug=slug).first()
            if project is None:
                raise ActionRefused(_("There is no such project: make it first."), "scopes")
            actions.set_scope(project, cluster, namespaces, actor)


class RegionViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Region]):
    """Regions that hold a cluster the caller sees."""

    queryset = Region.objects.none()
    serializer_class = RegionSerializer

    def get_queryset(self) -> QuerySet[Region]:
        access = _access(self.request)
        visible = queries.clusters_visible_to(access)
        count = Count("clusters", filter=queries.among("clusters", visible), distinct=True)
        return queries.regions_visible_to(access).annotate(cluster_count=count).order_by("name")


class PoolView(APIView):
    @extend_schema(parameters=[OpenApiParameter("region", _TEXT)], responses=PoolSerializer)
    def get(self, request: Request) -> Response:
        access, region = _access(request), request.query_params.get("region", "")
        found = queries.pool(access, region)
        clusters = queries.clusters_visible_to(access).filter(region__name=region)
        body = {
            "capacity": found.capacity,
            "away": found.away,
            "regions": found.regions,
            "clusters": queries.pool_rows(clusters if region else [], timezone.now()),
        }
        return Response(PoolSerializer(body).data)


class TokenView(APIView):
    @extend_schema(request=None, responses={201: TokenSerializer})
    def post(self, request: Request) -> Response:
        """Make a token of 15 minutes for the caller; whoever holds it acts as the caller."""
        token, expires_at = actions.mint_person_token(_person(request))
        body = TokenSerializer({"token": token, "expires_at": expires_at}).data
        return Response(body, status=201, headers={"Cache-Control": "no-store"})
