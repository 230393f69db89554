"""Turn the portal's own errors into pages; the API has its own place in `errors.api_error`."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fleet_portal.common.errors import ActionRefused, FleetError, NotAllowed, NotVisible


class RefusalMiddleware:
    """Answer 404, 403 or 400 with a page that carries the sentence."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, FleetError):
            return None
        if isinstance(error, NotVisible):
            return render(request, "404.html", status=404)
        if isinstance(error, NotAllowed):
            return render(request, "403.html", status=403)
        sentence = error.sentence if isinstance(error, ActionRefused) else str(error)
        return render(request, "400.html", {"sentence": sentence}, status=400)
