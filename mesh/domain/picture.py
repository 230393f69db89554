"""Where things stand in the picture of regions and in the lanes: numbers for SVG, nothing drawn.

The picture repeats the table beside it for the eye; it holds no fact that the table lacks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 360
MARGIN_X, MARGIN_Y = 110, 60
NODE_RADIUS = 38
ARROW = 6
LANE_WIDTH = 1000


@dataclass(frozen=True)
class Node:
    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Arc:
    """A curved line between two regions; `width` grows with the logarithm of the rate."""

    source: str
    destination: str
    path: str
    label_x: float
    label_y: float
    width: float


@dataclass(frozen=True)
class Band:
    """One stretch of a lane, in units of LANE_WIDTH."""

    x: float
    width: float


def place_nodes(names: Sequence[str]) -> list[Node]:
    """Put the regions on an ellipse, the first on the left."""
    center_x, center_y = WIDTH / 2, HEIGHT / 2
    radius_x, radius_y = center_x - MARGIN_X, center_y - MARGIN_Y
    nodes = []
    for index, name in enumerate(names):
        angle = math.pi + 2 * math.pi * index / len(names)
        x = center_x + (radius_x * math.cos(angle) if len(names) > 1 else 0.0)
        y = center_y + (radius_y * math.sin(angle) if len(names) > 2 else 0.0)
        nodes.append(Node(name, round(x, 1), round(y, 1)))
    return nodes


def draw_arcs(nodes: Sequence[Node], rates: Mapping[tuple[str, str], float]) -> list[Arc]:
    """Return an arc for each pair of different regions with requests, bent to its own side."""
    by_name = {node.name: node for node in nodes}
    arcs = []
    for (source, destination), rate in sorted(rates.items()):
        if source == destination or rate <= 0 or not {source, destination} <= by_name.keys():
            continue
        arcs.append(_arc(by_name[source], by_name[destination], rate))
    return arcs


def _arc(source: Node, destination: Node, rate: float) -> Arc:
    dx, dy = destination.x - source.x, destination.y - source.y
    length = math.hypot(dx, dy) or 1.0
    # Both directions bend to their own right, so they never lie on each other.
    bend = min(60.0, length * 0.22)
    mid_x = (source.x + destination.x) / 2 - dy / length * bend
    mid_y = (source.y + destination.y) / 2 + dx / length * bend
    begin_x, begin_y = _towards(source, mid_x, mid_y, NODE_RADIUS)
    end_x, end_y = _towards(destination, mid_x, mid_y, NODE_RADIUS + ARROW)
    path = f"M{begin_x:.1f} {begin_y:.1f} Q{mid_x:.1f} {mid_y:.1f} {end_x:.1f} {end_y:.1f}"
    label_x = (source.x + destination.x) / 4 + mid_x / 2
    label_y = (source.y + destination.y) / 4 + mid_y / 2
    width = round(min(10.0, 1.5 + 2 * math.log10(1 + rate)), 1)
    return Arc(source.name, destination.name, path, round(label_x, 1), round(label_y, 1), width)


def _towards(node: Node, x: float, y: float, distance: float) -> tuple[float, float]:
    """Return the point at `distance` from the node's middle in the direction of (x, y)."""
    length = math.hypot(x - node.x, y - node.y) or 1.0
    return node.x + (x - node.x) / length * distance, node.y + (y - node.y) / length * distance


def place_band(started: float, ended: float | None, since: float, until: float) -> Band | None:
    """Return where a period stands between `since` and `until` (epoch seconds), or None outside."""
    begin, end = max(started, since), min(ended if ended is not None else until, until)
    if end <= begin and not (ended is None and begin <= until):
        return None
    scale = LANE_WIDTH / (until - since)
    # A band too thin to see would hide a failover of seconds in a lane of a day.
    return Band(round((begin - since) * scale, 2), round(max((end - begin) * scale, 2.0), 2))
