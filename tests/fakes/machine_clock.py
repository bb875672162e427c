"""The clock of the machine as processes of a test see it: Debian's libfaketime stands between them and the kernel.

The processes themselves know nothing of it, whatever they are written in; clocks that only count on stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LIBRARY = "*/faketime/libfaketimeMT.so.1"


@dataclass(frozen=True, slots=True)
class MachineClock:
    """A clock that a test can step, for the processes that are started with its environment."""

    file: Path

    @classmethod
    def at(cls, file: Path) -> MachineClock:
        """Returns a clock that is right; the file keeps how wrong it is."""
        clock = cls(file)
        clock.step_to(0)
        return clock

    def environment(self) -> Mapping[str, str]:
        """Returns the variables that give a process this clock."""
        library = next(Path("/usr/lib").glob(_LIBRARY))
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step_to(self, seconds: int) -> None:
        """Sets the clock to so many seconds after the true time, or before it; seen by the next look at it."""
        part = self.file.with_name(self.file.name + ".part")
        part.write_text(f"{seconds:+d}\n", encoding="ascii")
        part.replace(self.file)
