"""Say after commit what changed. Only `actions.py` modules may call `announce`.

A message carries kind and ids, never data: the rows are the truth, a message is a hint that
may get lost. Loops of the same process are woken as well.
"""

import asyncio
import logging
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

logger = logging.getLogger(__name__)

ANY = "any"  # any object of the kind changed: totals
MEMBERS = "members"  # the list itself changed: a row came or went


# The loop on which this process's sockets live. The in-memory layer is not thread-safe, so a
# message from a loop's or a view's thread is sent from there.
_socket_loop: asyncio.AbstractEventLoop | None = None


def bind_socket_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """Name the event loop that serves this process's sockets (the web role, at start)."""
    global _socket_loop
    _socket_loop = loop


def group_of(kind: str) -> str:
    return f"live.{kind}"


def announce(kind: str, *ids: Any, members: bool = False) -> None:
    """After commit, tell every open page that objects `ids` of `kind` changed.

    `members`: an object of the kind appeared or vanished, so lists must be drawn again.
    """
    keys = [str(pk) for pk in ids]
    if members:
        keys.append(MEMBERS)
    transaction.on_commit(lambda: _send(kind, keys), robust=True)


def _send(kind: str, keys: list[str]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    message = {"type": "live.changed", "kind": kind, "keys": keys}
    try:
        if _socket_loop is not None and _socket_loop.is_running():
            sending = layer.group_send(group_of(kind), message)
            asyncio.run_coroutine_threadsafe(sending, _socket_loop)
        else:
            async_to_sync(layer.group_send)(group_of(kind), message)
    except Exception:  # the edge of a dependency: a lost hint costs seconds, never the change
        logger.warning("announce %s was lost", kind, exc_info=True)
