"""The contracts as git knows them, for comparison."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from proto.build.layout import Layout
from proto.build.protoc import ContractError

# Where the last published contracts are looked for, in this order: a fetched branch first, so that work on main itself
# is compared with what others have.
_BASES = ("origin/main", "main")


def published_base(layout: Layout) -> str | None:
    """The commit to compare with, or None while main holds no contract."""
    for name in _BASES:
        found = _git(layout, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if found.returncode == 0 and _holds_contracts(layout, name):
            return found.stdout.decode().strip()
    return None


def extract_contracts(layout: Layout, commit: str, folder: Path) -> Layout:
    """Writes the contracts of a commit into `folder` and returns the layout there."""
    packed = _git(layout, "archive", "--format=tar", commit, "proto/ordermesh")
    if packed.returncode != 0:
        raise ContractError(f"git cannot read the contracts of {commit}: {packed.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                path = folder / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
    return Layout(folder)


def _holds_contracts(layout: Layout, name: str) -> bool:
    listed = _git(layout, "ls-tree", "-r", "--name-only", name, "proto/ordermesh")
    return any(line.endswith(".proto") for line in listed.stdout.decode().splitlines())


def _git(layout: Layout, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], capture_output=True, check=False, cwd=layout.root)
