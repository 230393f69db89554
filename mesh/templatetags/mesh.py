"""The status word behind a state's code."""

from django import template

from fleet_portal.common.statuses import Status
from mesh.domain.statuses import STATES, UNKNOWN

register = template.Library()


@register.filter
def mesh_state(value: str) -> Status:
    return STATES[value] if value in STATES else UNKNOWN  # noqa: SIM401 - it is no dict
