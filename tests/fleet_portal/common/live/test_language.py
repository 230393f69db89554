from typing import Any

import pytest

from fleet_portal.common.live.language import LanguageMiddleware, language_of


@pytest.mark.parametrize(
    ("cookies", "accept", "language"),
    [
        ({}, b"", "en"),
        ({}, b"zh-CN,zh;q=0.9,en;q=0.8", "zh-hans"),
        ({"django_language": "zh-hans"}, b"en", "zh-hans"),
        ({"django_language": "xx-bad"}, b"fr,en;q=0.5", "en"),
        ({"django_language": "../../etc"}, b"", "en"),
    ],
)
def test_cookie_first_then_the_browsers_wish(
    cookies: dict[str, str], accept: bytes, language: str
) -> None:
    assert language_of({"cookies": cookies, "headers": [(b"accept-language", accept)]}) == language


async def test_the_socket_learns_its_language() -> None:
    seen: dict[str, Any] = {}

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.update(scope)

    await LanguageMiddleware(app)({"headers": []}, None, None)
    assert seen["language"] == "en"
