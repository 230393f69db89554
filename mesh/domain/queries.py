"""The questions the portal asks each cluster's own Prometheus, as exact strings.

Istio's metric names only, and only what the source reports: a dead destination can't report.
Only requests to stub hosts (`<service>.<namespace>.fleet.local`) are asked for: no other service
leaves its cluster. `window_seconds` must cover at least four scrapes, and a stop of the traffic
shows as zero one window later.
"""

from __future__ import annotations

SOURCE = 'reporter="source",destination_service=~".+[.]fleet[.]local"'

# Newest scrape, as epoch seconds: how old the other answers are.
FRESHNESS = "max(timestamp(up))"

# Share of scrape targets that answer, 0 to 1: at 0 every other answer is worthless.
SCRAPED_SHARE = "sum(up) / count(up)"


def requests(window_seconds: int) -> str:
    """Requests a second by edge, response code and Envoy's response flags."""
    return (
        "sum by (source_cluster, destination_cluster, destination_service, "
        "response_code, response_flags) "
        f"(rate(istio_requests_total{{{SOURCE}}}[{window_seconds}s]))"
    )


def latency_buckets(window_seconds: int) -> str:
    """Requests a second by edge and upper bound (`le`, milliseconds), cumulative."""
    return (
        "sum by (source_cluster, destination_cluster, destination_service, le) "
        f"(rate(istio_request_duration_milliseconds_bucket{{{SOURCE}}}[{window_seconds}s]))"
    )


def all_queries(window_seconds: int) -> tuple[str, ...]:
    """Every query of one tick, in the order they are asked."""
    return (
        FRESHNESS,
        SCRAPED_SHARE,
        requests(window_seconds),
        latency_buckets(window_seconds),
    )
