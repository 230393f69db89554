from django.urls import path
from rest_framework.routers import DefaultRouter

from mesh.api import views


def register(router: DefaultRouter) -> None:
    router.register("mesh/traffic", views.EdgeViewSet, basename="mesh-traffic")
    router.register("mesh/lanes", views.PeriodViewSet, basename="mesh-lanes")
    router.register("mesh/services", views.MeshServiceViewSet, basename="mesh-services")


urlpatterns = [
    path("mesh/regions/", views.RegionList.as_view(), name="mesh-regions"),
    path("mesh/clusters/<str:name>/", views.ClusterMeshView.as_view(), name="mesh-cluster"),
]
