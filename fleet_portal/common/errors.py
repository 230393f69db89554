"""What can go wrong on purpose, and the one place that turns it into an API answer.

FleetError
├── ActionRefused   the request cannot be carried out; the sentence says why and what to do
├── NotVisible      the thing does not exist, or this viewer may not know that it does
└── NotAllowed      the viewer sees the thing but may not do this to it
"""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.response import Response
from rest_framework.views import exception_handler


class FleetError(Exception):
    """Base of every error that a person is meant to read."""


class ActionRefused(FleetError):
    """The action was refused; nothing was changed.

    `sentence` is for people. `field` names the form field or JSON member it is about, if one.
    """

    def __init__(self, sentence: Any, field: str | None = None) -> None:
        super().__init__(str(sentence))
        self.sentence = sentence
        self.field = field


class NotVisible(FleetError):
    """Answered like a thing that does not exist."""


class NotAllowed(FleetError):
    """The viewer's role does not cover this."""


def api_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return DRF's answer for `error`: {"message": sentence, "field": name or null}.

    A field inside others is named by its path, such as `placement.regions`. Where several fields
    are wrong, `errors` holds all of them as DRF says them.
    """
    if isinstance(error, ActionRefused):
        body = {"message": str(error.sentence), "field": error.field}
        return Response(body, status=status.HTTP_400_BAD_REQUEST)
    if isinstance(error, NotVisible):
        return Response({"message": str(_("Not found.")), "field": None}, status=404)
    if isinstance(error, NotAllowed):
        sentence = _("Your role does not allow this.")
        return Response({"message": str(sentence), "field": None}, status=403)
    response = exception_handler(error, context)
    if response is not None:
        response.data = _in_one_shape(response.data)
    return response


def _in_one_shape(data: Any) -> dict[str, Any]:
    if isinstance(data, dict) and set(data) == {"detail"}:
        return {"message": str(data["detail"]), "field": None}
    path, sentence = _first_sentence(data)
    return {"message": sentence, "field": ".".join(path) or None, "errors": data}


def _first_sentence(data: Any) -> tuple[list[str], str]:
    """Return the first thing that is wrong, and where; places in lists count as names."""
    if isinstance(data, dict) and data:
        name, inner = next(iter(data.items()))
        path, sentence = _first_sentence(inner)
        return ([] if name == "non_field_errors" else [str(name)]) + path, sentence
    if isinstance(data, list) and data:
        number, inner = next((n, item) for n, item in enumerate(data) if item or n == len(data) - 1)
        path, sentence = _first_sentence(inner)
        return ([str(number)] if isinstance(inner, dict) else []) + path, sentence
    return [], str(data)
