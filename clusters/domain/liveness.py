"""Is a cluster there? Judged from what its row says and the time now; a row can't know it is old.

The gateway watches carriers and tells changes: silent after 15 s without an inbound frame, lost
after 60 s. Rows get a last-seen time at most each 60 s. So while the gateway speaks, its word
holds; when it stops speaking itself, a row that calls itself connected ages into the same words.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from clusters.domain.statuses import API_UNREACHABLE, AWAY, CONNECTED, LOST, PENDING, SILENT

SILENT_AFTER = timedelta(seconds=15)
LOST_AFTER = timedelta(seconds=60)
ROW_REFRESH = timedelta(seconds=60)
# A younger last-seen time is kept: the gateway's list, told each minute, may come soon after the
# row was written, and whatever is passed over has to be good until the next list.
ROW_KEPT = timedelta(seconds=10)
# A connected row may be this old: a refresh, what one may pass over, the silence that is allowed,
# and some slack.
ROW_TRUSTED = ROW_REFRESH + ROW_KEPT + SILENT_AFTER + timedelta(seconds=5)


@dataclass(frozen=True)
class TunnelFacts:
    """What the row says. `tunnel_state`: pending, connected, silent or lost, as last told."""

    tunnel_state: str
    connected_once: bool
    last_frame_at: datetime | None
    away_since: datetime | None
    api_reachable: bool | None
    api_since: datetime | None


@dataclass(frozen=True)
class Liveness:
    """A word of `statuses.LIVENESS` and since when it holds, where that is known."""

    status: str
    since: datetime | None

    @property
    def is_there(self) -> bool:
        """Tell whether the cluster's API can be asked now."""
        return self.status == CONNECTED

    @property
    def is_away(self) -> bool:
        """Tell whether the agent itself is not heard."""
        return self.status in AWAY


def judge_liveness(facts: TunnelFacts, now: datetime) -> Liveness:
    """Return the word that holds now."""
    if not facts.connected_once:
        return Liveness(PENDING, None)
    seen = facts.last_frame_at
    if facts.tunnel_state == CONNECTED and _is_fresh(seen, now):
        if facts.api_reachable is False:
            return Liveness(API_UNREACHABLE, facts.api_since)
        return Liveness(CONNECTED, None)
    since = seen if facts.tunnel_state == CONNECTED else (facts.away_since or seen)
    if facts.tunnel_state == LOST or since is None:
        return Liveness(LOST, since)
    grace = ROW_TRUSTED + LOST_AFTER if facts.tunnel_state == CONNECTED else LOST_AFTER
    return Liveness(LOST if now - since >= grace else SILENT, since)


def _is_fresh(seen: datetime | None, now: datetime) -> bool:
    return seen is not None and now - seen < ROW_TRUSTED


def needs_refresh(stored: datetime | None, seen: datetime) -> bool:
    """Tell whether a row's last-seen time is old enough to be written again."""
    return stored is None or seen - stored >= ROW_KEPT


def is_heard(seen: datetime, now: datetime) -> bool:
    """Tell whether a carrier whose last frame came then speaks now."""
    return now - seen < SILENT_AFTER
