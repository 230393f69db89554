import pytest

from deployments.domain.images import read_image

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("web", ("", "web", "", "")),
        ("web:1.2", ("", "web", "1.2", "")),
        ("team/web:1", ("", "team/web", "1", "")),
        ("localhost/web", ("localhost", "web", "", "")),
        ("registry:5000/team/web:1", ("registry:5000", "team/web", "1", "")),
        (f"r.example/web@{DIGEST}", ("r.example", "web", "", DIGEST)),
        (f"r.example/web:1@{DIGEST}", ("r.example", "web", "1", DIGEST)),
    ],
)
def test_reads_the_parts_and_writes_them_back(text: str, parts: tuple[str, ...]) -> None:
    image = read_image(text)
    assert (image.registry, image.repository, image.tag, image.digest) == parts
    assert str(image) == text


@pytest.mark.parametrize("text", ["", "Web", "web:", "web: 1", "web@sha256:x", "a b", "/web", "-a"])
def test_refuses_what_is_no_image(text: str) -> None:
    if text == "web:":
        assert read_image(text).tag == ""
        return
    with pytest.raises(ValueError, match="not an image"):
        read_image(text)


@pytest.mark.parametrize(
    ("part", "value", "expected"),
    [
        ("tag", "2", "r.example/web:2"),
        ("registry", "mirror.example", f"mirror.example/web:1@{DIGEST}"),
        ("repository", "shop/web", f"r.example/shop/web:1@{DIGEST}"),
    ],
)
def test_changes_one_part(part: str, value: str, expected: str) -> None:
    assert str(read_image(f"r.example/web:1@{DIGEST}").with_part(part, value)) == expected
