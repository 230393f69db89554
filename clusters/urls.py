"""Addresses of the pages of clusters and of the pool."""

from django.urls import path

from clusters import views

app_name = "clusters"
urlpatterns = [
    path("clusters/", views.cluster_list, name="list"),
    path("clusters/new/", views.cluster_new, name="new"),
    path("clusters/<slug:name>/", views.cluster_detail, name="detail"),
    path("clusters/<slug:name>/manifest/", views.cluster_manifest, name="manifest"),
    path("clusters/<slug:name>/rules/", views.cluster_rules, name="rules"),
    path("clusters/<slug:name>/settings/", views.cluster_settings, name="settings"),
    path("clusters/<slug:name>/remove/", views.cluster_remove, name="remove"),
    path("pool/", views.pool, name="pool"),
    path("join/<str:token>/fleet-agent.yaml", views.join_manifest, name="join-manifest"),
]
