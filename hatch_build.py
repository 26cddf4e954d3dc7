"""Writes the README as a package index shows it, where a link into the repository leads nowhere."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(r"<picture>.*?</picture>\n\n(\*.+?\*\n\n)?", re.DOTALL)
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)]+)\)")
_IMAGE = re.compile(r'\b(srcset|src)="(?!https?:)([^"]+)"')
_FROM_A_CLONE = (
    (" From a clone of this repository:", ""),
    ('pip install ".[', 'pip install "adaptive-reasoner['),
)


def as_shown_elsewhere(readme: str, repository: str | None) -> str:
    """The README with links, images and pip lines that work outside of the repository.

    Args:
        readme: Its Markdown.
        repository: The address of the repository; links lead there, and images come from there. Without one,
            links become their text, and pictures are left out with their captions.
    """
    for here, elsewhere in _FROM_A_CLONE:
        readme = readme.replace(here, elsewhere)
    if repository is None:
        return _LINK.sub(r"\1", _PICTURE.sub("", readme))
    home = repository.rstrip("/")
    linked = _LINK.sub(rf"[\1]({home}/blob/main/\2)", readme)
    return _IMAGE.sub(rf'\1="{home}/raw/main/\2"', linked)


class ReadmeHook(MetadataHookInterface):
    """Makes the field `readme` of the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set it; the repository is `Repository` of `project.urls`."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = metadata.get("urls", {}).get("Repository")
        shown = as_shown_elsewhere(text, repository)
        metadata["readme"] = {"content-type": "text/markdown", "text": shown}
