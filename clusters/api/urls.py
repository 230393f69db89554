"""The app's part of `/api/v1/`."""

from django.urls import path
from rest_framework.routers import DefaultRouter

from clusters.api.views import ClusterViewSet, PoolView, RegionViewSet, TokenView


def register(router: DefaultRouter) -> None:
    """Add this app's resources to the API's router."""
    router.register("clusters", ClusterViewSet, basename="cluster")
    router.register("regions", RegionViewSet, basename="region")


urlpatterns = [
    path("pool/", PoolView.as_view(), name="api-pool"),
    path("tokens/", TokenView.as_view(), name="api-tokens"),
]
