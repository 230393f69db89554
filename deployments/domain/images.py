"""The four parts of an image's name. Pure; the grammar is that of distribution/reference."""

import re
from dataclasses import dataclass, replace

_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9a-fA-F:]+\](:[0-9]{1,5})?")
_REPOSITORY = re.compile(r"[a-z0-9]+([._/-]+[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]{32,128}")
PARTS = {"registry": _REGISTRY, "repository": _REPOSITORY, "tag": _TAG, "digest": _DIGEST}


@dataclass(frozen=True)
class Image:
    """`registry/repository:tag@digest`; the registry, tag and digest may be empty."""

    registry: str
    repository: str
    tag: str
    digest: str

    def __str__(self) -> str:
        name = f"{self.registry}/{self.repository}" if self.registry else self.repository
        name += f":{self.tag}" if self.tag else ""
        return name + (f"@{self.digest}" if self.digest else "")

    def with_part(self, part: str, value: str) -> "Image":
        """Return the image with one part changed.

        A new tag drops the digest, which would win over it; a new digest keeps the tag as a hint.
        """
        changed = replace(self, **{part: value})
        return replace(changed, digest="") if part == "tag" else changed


def read_image(text: str) -> Image:
    """Return the parts of an image's name; raise ValueError when it is none."""
    name, _, digest = text.partition("@")
    first, slash, rest = name.partition("/")
    # The first part is a registry only if it looks like a host.
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, path = first, rest
    else:
        registry, path = "", name
    repository, _, tag = path.partition(":")
    image = Image(registry, repository, tag, digest)
    for part, rule in PARTS.items():
        value = getattr(image, part)
        if (value or part == "repository") and not (rule.fullmatch(value) and len(value) <= 255):
            raise ValueError(f"not an image: {text!r}")
    return image
