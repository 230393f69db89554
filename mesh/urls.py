from django.urls import path

from mesh import views

app_name = "mesh"
urlpatterns = [
    path("regions/", views.regions, name="regions"),
    path("mesh/services/", views.services, name="services"),
    path("mesh/services/add/", views.mark, name="mark"),
    path("mesh/services/<str:namespace>/<str:name>/", views.service, name="service"),
    path("mesh/services/<str:namespace>/<str:name>/change/", views.change, name="change"),
    path("mesh/services/<str:namespace>/<str:name>/remove/", views.unmark, name="unmark"),
    path("mesh/clusters/", views.clusters, name="clusters"),
    path("mesh/clusters/<str:name>/", views.cluster, name="cluster"),
]
