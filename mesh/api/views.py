"""REST views of the mesh: the same actions and queries as the pages."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clusters.models import Cluster
from clusters.queries import cluster_visible_to
from fleet_portal.common.access import Role, request_access
from fleet_portal.common.errors import NotAllowed, NotVisible
from fleet_portal.common.queries import projects_visible_to
from mesh import actions, queries
from mesh.api import serializers
from mesh.models import MeshService, StatePeriod, TrafficSample
from mesh.queries.services import NO_MESH, parts_of
from mesh.queries.states import states_of
from mesh.queries.traffic import clusters_seen, is_fresh
from mesh.views import person


class RegionList(APIView):
    """Every region with its state and what arrives there."""

    @extend_schema(responses=serializers.RegionTrafficSerializer(many=True))
    def get(self, request: Request) -> Response:
        access = request_access(request._request)
        if not access.sees_anything:
            raise NotAllowed
        rows = queries.board(access, timezone.now())
        return Response(serializers.RegionTrafficSerializer(rows, many=True).data)


class EdgeViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[TrafficSample]):
    """Requests between clusters, of the services that the viewer may see."""

    serializer_class = serializers.EdgeSerializer
    queryset = TrafficSample.objects.none()

    def get_queryset(self) -> QuerySet[TrafficSample]:
        return queries.edges_visible_to(request_access(self.request._request))

    def get_serializer_context(self) -> dict[str, Any]:
        now = timezone.now()
        seen = clusters_seen(list(Cluster.objects.select_related("region", "mesh")))
        fresh = {cluster.name for cluster in seen if is_fresh(cluster, now)}
        return {**super().get_serializer_context(), "fresh": fresh}


class PeriodViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[StatePeriod]):
    """The history of states with their causes, newest first; `?region=` narrows it."""

    serializer_class = serializers.PeriodSerializer
    queryset = StatePeriod.objects.none()

    def get_queryset(self) -> QuerySet[StatePeriod]:
        rows = queries.periods_visible_to(request_access(self.request._request))
        region = self.request.query_params.get("region")
        return rows.filter(region__name=region) if region else rows


class MeshServiceViewSet(viewsets.GenericViewSet[MeshService]):
    """Services that are reachable across clusters."""

    serializer_class = serializers.MeshServiceSerializer
    queryset = MeshService.objects.none()

    def get_queryset(self) -> QuerySet[MeshService]:
        return queries.services_visible_to(request_access(self.request._request))

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses=serializers.MeshServiceDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        service = self._visible(pk)
        context = {"parts": parts_of(service), "states": states_of(service.pk)}
        return Response(serializers.MeshServiceDetailSerializer(service, context=context).data)

    @extend_schema(
        request=serializers.MarkSerializer, responses={201: serializers.MeshServiceSerializer}
    )
    def create(self, request: Request) -> Response:
        values = _valid(serializers.MarkSerializer, request)
        access = request_access(request._request)
        # One that is not there and one that the caller may not see are answered alike.
        project = projects_visible_to(access).filter(slug=values.pop("project")).first()
        if project is None:
            raise NotVisible
        access.require(Role.OPERATOR, project.pk)
        service = actions.mark_reachable(
            project, values.pop("namespace"), values.pop("name"), person(request._request), **values
        )
        body = serializers.MeshServiceSerializer(service).data
        return Response(body, status=status.HTTP_201_CREATED)

    @extend_schema(request=serializers.ChangeSerializer)
    def update(self, request: Request, pk: str) -> Response:
        service = self._operated(pk)
        values = _valid(serializers.ChangeSerializer, request)
        actions.change_service(service, person(request._request), **values)
        return Response(serializers.MeshServiceSerializer(service).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Begin to take the service out of the mesh; it is listed until nothing of it is left."""
        actions.unmark(self._operated(pk), person(request._request))
        return Response(status=status.HTTP_202_ACCEPTED)

    def _visible(self, pk: str) -> MeshService:
        service = self.get_queryset().filter(pk=pk).first() if pk.isdecimal() else None
        if service is None:
            raise NotVisible
        return service

    def _operated(self, pk: str) -> MeshService:
        service = self._visible(pk)
        request_access(self.request._request).require(Role.OPERATOR, service.project_id)
        return service


class ClusterMeshView(APIView):
    """How a cluster takes part in the mesh."""

    @extend_schema(responses=serializers.ClusterMeshSerializer)
    def get(self, request: Request, name: str) -> Response:
        cluster = cluster_visible_to(request_access(request._request), name)
        return Response(_cluster_mesh(cluster))

    @extend_schema(
        request=serializers.ClusterMeshSerializer, responses=serializers.ClusterMeshSerializer
    )
    def put(self, request: Request, name: str) -> Response:
        access = request_access(request._request)
        cluster = cluster_visible_to(access, name)
        access.require(Role.ADMINISTRATOR)
        values = _valid(serializers.ClusterMeshSerializer, request)
        actions.set_cluster_mesh(cluster, person(request._request), **values)
        return Response(_cluster_mesh(Cluster.objects.get(pk=cluster.pk)))


def _cluster_mesh(cluster: Cluster) -> dict[str, Any]:
    mesh = getattr(cluster, "mesh", NO_MESH)
    return {
        "gateways": mesh.entrance_texts,
        "network": mesh.network,
        "istio_id": mesh.istio_id,
        "scrape_seconds": mesh.scrape_seconds,
    }


def _valid(serializer_class: type[Any], request: Request) -> dict[str, Any]:
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = dict(serializer.validated_data)
    return values
