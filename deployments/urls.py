"""Addresses of the pages of applications and rollouts."""

from django.urls import path

from deployments import views
from deployments.views import changing, rollouts

app_name = "deployments"
one = "apps/<slug:project>/<slug:name>/"
urlpatterns = [
    path("apps/", views.application_list, name="list"),
    path("apps/new/", changing.application_new, name="new"),
    path(one, views.application_detail, name="detail"),
    path(f"{one}revise/", changing.revise, name="revise"),
    path(f"{one}placement/", changing.placement, name="placement"),
    path(f"{one}overrides/", changing.overrides, name="overrides"),
    path(f"{one}scale/", changing.scale, name="scale"),
    path(f"{one}delete/", changing.delete, name="delete"),
    path(f"{one}preview/", views.preview, name="preview"),
    path(f"{one}revisions/<int:number>/", views.revision_detail, name="revision"),
    path(f"{one}rollout/", rollouts.start, name="start"),
    path(f"{one}back/<int:number>/", rollouts.back, name="back"),
    path("rollouts/", rollouts.rollout_list, name="rollouts"),
    path("rollouts/<int:pk>/", rollouts.rollout_detail, name="rollout"),
    path("rollouts/<int:pk>/<slug:event>/", rollouts.steer, name="steer"),
]
