"""The app's part of `/api/v1/`."""

from django.urls import URLPattern
from rest_framework.routers import DefaultRouter

from deployments.api.views import ApplicationViewSet, RolloutViewSet


def register(router: DefaultRouter) -> None:
    """Add this app's resources to the API's router."""
    router.register("applications", ApplicationViewSet, basename="application")
    router.register("rollouts", RolloutViewSet, basename="rollout")


urlpatterns: list[URLPattern] = []
