"""Leading comments of a file's elements, by their place in the descriptor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Where an element stands in its file: field numbers and indexes from the top.
SourcePath = tuple[int, ...]


def leading_comments(file: Any) -> Mapping[SourcePath, str]:
    """The comments of a FileDescriptorProto, by source path (see `SourceCodeInfo.Location.path`)."""
    return {
        tuple(location.path): _plain(location.leading_comments)
        for location in file.source_code_info.location
        if location.leading_comments.strip()
    }


def _plain(text: str) -> str:
    """One paragraph a line: a comment's own line breaks only fit it into the source."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(" ".join(line.strip() for line in paragraph.splitlines()) for paragraph in paragraphs)
