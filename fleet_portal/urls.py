"""Every HTTP address. With asgi.py the only file that knows all apps."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.routers import DefaultRouter

from clusters.api import urls as clusters_api
from deployments.api import urls as deployments_api
from fleet_portal.common import api as common_api
from fleet_portal.common.health import healthz, metrics, readyz
from fleet_portal.common.live.views import page_fragments
from mesh.api import urls as mesh_api

router = DefaultRouter()
for app_api in (common_api, clusters_api, deployments_api, mesh_api):
    app_api.register(router)

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("-/live/", page_fragments, name="live-page"),
    path("admin/", admin.site.urls),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/", include(common_api.urlpatterns)),
    path("api/v1/", include(clusters_api.urlpatterns)),
    path("api/v1/", include(deployments_api.urlpatterns)),
    path("api/v1/", include(mesh_api.urlpatterns)),
    path("api/v1/", include(router.urls)),
    path("", include("clusters.urls")),
    path("", include("deployments.urls")),
    path("", include("mesh.urls")),
    path("", include("fleet_portal.common.urls")),
]

handler400 = "fleet_portal.common.views.bad_request"
handler403 = "fleet_portal.common.views.forbidden"
handler404 = "fleet_portal.common.views.not_found"
handler500 = "fleet_portal.common.views.server_error"
