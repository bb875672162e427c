"""Where the contracts and their generated forms lie in the repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# What the contracts refer to only inside `google.rpc.Status.details`, which no import leads to: Envoy needs these to
# print error details as JSON, and answers an empty body without them.
DETAIL_FILES = ("google/rpc/code.proto", "google/rpc/error_details.proto", "google/rpc/status.proto")


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one checkout."""

    root: Path

    @property
    def proto(self) -> Path:
        """The folder of the contracts; import paths are relative to it."""
        return self.root / "proto"

    @property
    def gen(self) -> Path:
        """The folder of everything generated."""
        return self.root / "gen"

    def contract_files(self) -> list[str]:
        """All contracts, as import paths, in a stable order."""
        return sorted(path.relative_to(self.proto).as_posix() for path in self.proto.glob("ordermesh/**/*.proto"))


def here() -> Layout:
    """The checkout this file belongs to."""
    return Layout(Path(__file__).resolve().parents[2])
