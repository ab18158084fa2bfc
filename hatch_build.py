"""The README as a package index shows it: without pictures and links that lead into the repository.

An index has neither the files of the repository nor its address: a link to a file becomes the file's name, and a
picture of the repository is left out. Links to other sites stay.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(r"^!\[[^\]]*\]\((?!\w+:)[^)]*\)\n\n?", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:)([^)#\s]+)[^)]*\)")


def for_index(text: str) -> str:
    """The text of a README without relative links and pictures."""
    return _LINK.sub(lambda link: link[1] if link[2] in link[1] else f"{link[1]} (`{link[2]}`)", _PICTURE.sub("", text))


class ReadmeHook(MetadataHookInterface):
    """Sets the package's description when it is built."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the README to the metadata."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": for_index(text)}
