from rest_framework.routers import DefaultRouter

from clusters.api import urls


def test_everything_is_under_its_own_name() -> None:
    router = DefaultRouter()
    urls.register(router)
    assert [prefix for prefix, _view, _name in router.registry] == ["clusters", "regions"]
    assert [str(route.pattern) for route in urls.urlpatterns] == ["pool/", "tokens/"]
