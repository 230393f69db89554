"""Give a socket the language of its page: the language cookie, else the browser's wish."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.utils.translation import get_supported_language_variant
from django.utils.translation.trans_real import parse_accept_lang_header

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class LanguageMiddleware:
    """Set `scope["language"]`; expects the cookies that AuthMiddlewareStack has parsed."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await self.app({**scope, "language": language_of(scope)}, receive, send)


def language_of(scope: dict[str, Any]) -> str:
    wishes = [scope.get("cookies", {}).get(settings.LANGUAGE_COOKIE_NAME, "")]
    headers = dict(scope.get("headers", []))
    accept = headers.get(b"accept-language", b"").decode("latin-1")
    wishes += [code for code, _weight in parse_accept_lang_header(accept)]
    for code in wishes:
        try:
            return get_supported_language_variant(code)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE
