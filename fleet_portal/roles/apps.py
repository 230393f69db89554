from django.apps import AppConfig


class RolesConfig(AppConfig):
    """Brings `manage.py portal`; has no models."""

    name = "fleet_portal.roles"
    label = "roles"
