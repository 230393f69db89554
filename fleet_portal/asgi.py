"""Pages over HTTP and live pages over WebSocket, behind the gateway."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet_portal.settings")
pages = get_asgi_application()

from django.urls import path  # noqa: E402 - apps must be loaded first

from fleet_portal.common.live.consumers import LiveConsumer  # noqa: E402
from fleet_portal.common.live.language import LanguageMiddleware  # noqa: E402

origins = ["*"] if "*" in settings.ALLOWED_HOSTS else [settings.FLEET_PUBLIC_URL]

application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": OriginValidator(
            AuthMiddlewareStack(
                LanguageMiddleware(URLRouter([path("ws/live/", LiveConsumer.as_asgi())]))
            ),
            origins,
        ),
    }
)
