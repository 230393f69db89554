"""Small parts of the mesh's templates."""

from django import template

from fleet_portal.common.statuses import Status
from mesh.domain.statuses import STATES, UNKNOWN

register = template.Library()


@register.filter
def mesh_state(value: str) -> Status:
    return STATES[value] if value in STATES else UNKNOWN  # noqa: SIM401 - it is no dict


@register.filter
def split_words(text: str) -> list[str]:
    """Return the words of a literal, to loop over."""
    return text.split()
