"""Hand each report of an agent to who registered for its kind; upper apps register theirs.

A handler is `handler(cluster_id, report, received_at)`: synchronous, repeatable (a reader that
comes back gets the latest of everything again), and the only one for its kind.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

logger = logging.getLogger(__name__)

Handler = Callable[[int, dict[str, Any], datetime], None]
_handlers: dict[str, Handler] = {}


def register(kind: str, handler: Handler) -> None:
    """Name the one handler of reports of `kind`."""
    known = _handlers.get(kind)
    if known is not None and known is not handler:
        raise ValueError(f"Reports of kind {kind} have a handler already.")
    _handlers[kind] = handler


def dispatch(cluster_id: int, report: dict[str, Any], received_at: datetime) -> bool:
    """Run the handler of the report's kind; False where there is none or it is malformed.

    A report comes from a cluster, which may be older, newer or hostile: a handler that trips
    over a missing or wrong member is the cluster's fault, and the next report is taken as usual.
    """
    handler = _handlers.get(str(report.get("kind")))
    if handler is None:
        logger.warning("cluster %s sent a report of an unknown kind", cluster_id)
        return False
    try:
        handler(cluster_id, report, received_at)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        logger.warning("cluster %s sent a malformed report", cluster_id, exc_info=True)
        return False
    return True
