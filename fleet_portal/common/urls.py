"""Pages of this package: home, login, audit, people."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from fleet_portal.common import views

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", views.Password.as_view(), name="password"),
    path("language/", views.choose_language, name="set_language"),
    path("audit/", views.audit, name="audit"),
    path("people/", views.people, name="people"),
    path("people/roles/<int:binding_id>/revoke/", views.revoke_role, name="revoke-role"),
]
