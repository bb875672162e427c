"""Migrations of every service are named by their versions, in an unbroken row: what is newest is seen by the names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SERVICES = Path(__file__).resolve().parents[3] / "services"
FOLDERS = sorted(SERVICES.glob("*/migrations/versions"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parents[1].name)
def test_versions_are_named_by_their_numbers_and_follow_one_another(folder: Path) -> None:
    """The name of each file begins with its version, and each version follows the one before."""
    before = "None"
    for number, path in enumerate(sorted(folder.glob("[0-9]*.py")), 1):
        told = dict(re.findall(r"^(revision|down_revision) = \"?(\w+)\"?$", path.read_text(), re.MULTILINE))
        assert told == {"revision": f"{number:04}", "down_revision": before}
        assert path.name.startswith(f"{number:04}_")
        before = told["revision"]
