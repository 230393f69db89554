"""What every REST address takes: JSON of bounded depth, and no member that it does not know."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class BoundedJSONParser(JSONParser):
    """JSON; what is nested deeper than the interpreter can follow is the sender's mistake."""

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError(_("The JSON is nested too deep: no request needs that.")) from None


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses unknown members: one that is left out unseen does not do what its sender meant."""

    def to_internal_value(self, data: Any) -> Any:
        known = list(self.fields)
        unknown = [name for name in data if name not in known] if isinstance(data, Mapping) else []
        if unknown:
            sentence = _("There is no member “%(name)s” here. There are: %(known)s.")
            words = {"name": str(unknown[0])[:60], "known": ", ".join(known) or "–"}
            raise serializers.ValidationError({str(unknown[0])[:60]: [sentence % words]})
        return super().to_internal_value(data)
