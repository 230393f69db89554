import pytest

from clusters.templatetags.amounts import cores, label_list, memory, share


@pytest.mark.parametrize(
    ("milli", "text"), [(0, "0"), (500, "0.5"), (4000, "4"), (12500, "12.5"), (1234567, "1234.6")]
)
def test_cores(milli: int, text: str) -> None:
    assert cores(milli) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0"),
        (512, "512 B"),
        (1 << 20, "1 MiB"),
        (8 << 30, "8 GiB"),
        (3 << 29, "1.5 GiB"),
        (300 << 30, "300 GiB"),
        (5 << 40, "5 TiB"),
    ],
)
def test_memory(amount: int, text: str) -> None:
    assert memory(amount) == text


def test_a_share_is_a_meter_without_style() -> None:
    text = share(1500, 4000, "cores")
    assert 'max="4000" value="1500"' in text
    assert "1.5 / 4" in text
    assert "style" not in text


def test_a_share_of_nothing_is_a_dash() -> None:
    assert share(0, 0, "memory") == "–"


def test_labels_are_sorted() -> None:
    assert label_list({"b": "2", "a": ""}) == ["a", "b=2"]
