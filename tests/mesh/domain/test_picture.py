import math

import pytest

from mesh.domain.picture import HEIGHT, NODE_RADIUS, WIDTH, Band, draw_arcs, place_band, place_nodes


def test_one_region_stands_in_the_middle_and_two_side_by_side():
    (alone,) = place_nodes(["eu"])
    left, right = place_nodes(["eu", "us"])
    assert (alone.x, alone.y) == (WIDTH / 2, HEIGHT / 2)
    assert left.x < right.x
    assert left.y == right.y == HEIGHT / 2


def test_every_region_is_inside_the_picture():
    nodes = place_nodes([f"r{number}" for number in range(8)])
    assert all(0 < node.x < WIDTH and 0 < node.y < HEIGHT for node in nodes)


def test_arcs_exist_between_different_regions_with_requests():
    nodes = place_nodes(["eu", "us"])
    rates = {("eu", "us"): 5.0, ("us", "eu"): 0.0, ("eu", "eu"): 9.0, ("eu", "mars"): 1.0}
    assert [(arc.source, arc.destination) for arc in draw_arcs(nodes, rates)] == [("eu", "us")]


def test_both_directions_bend_to_their_own_side():
    nodes = place_nodes(["eu", "us"])
    there, back = draw_arcs(nodes, {("eu", "us"): 5.0, ("us", "eu"): 5.0})
    assert there.label_y != back.label_y


def test_more_requests_are_a_wider_line_up_to_a_limit():
    nodes = place_nodes(["eu", "us"])
    widths = [draw_arcs(nodes, {("eu", "us"): rate})[0].width for rate in (1, 100, 1e9)]
    assert widths == sorted(widths)
    assert widths[-1] == 10


@pytest.mark.parametrize(
    ("started", "ended", "expected"),
    [
        (0, 50, Band(0, 500)),
        (-50, 50, Band(0, 500)),
        (90, None, Band(900, 100)),
        (50, 50.01, Band(500, 2)),
        (-50, -10, None),
        (200, None, None),
    ],
)
def test_bands_are_cut_to_the_window(started, ended, expected):
    assert place_band(started, ended, 0, 100) == expected


def test_an_arc_begins_at_the_edge_of_its_node():
    nodes = place_nodes(["eu", "us"])
    (arc,) = draw_arcs(nodes, {("eu", "us"): 5.0})
    x, y = map(float, arc.path.removeprefix("M").split(" Q")[0].split())
    assert abs(math.dist((nodes[0].x, nodes[0].y), (x, y)) - NODE_RADIUS) < 0.2
