"""Fragments as an answer to GET: the polling fallback while a page's socket is down."""

from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from fleet_portal.common.access import request_access
from fleet_portal.common.live.fragments import read_page, registry


def page_fragments(request: HttpRequest) -> HttpResponse:
    """Return every fragment of a signed page list, each marked for an out-of-band swap.

    A list and not one text: table rows vanish when they are parsed beside other elements.
    """
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    try:
        page = read_page(request.GET.get("page", ""))
    except signing.BadSignature:
        raise Http404 from None
    access = request_access(request)
    parts = [registry[name].render(access, key, True) for name, key in page if name in registry]
    return JsonResponse({"fragments": parts})
