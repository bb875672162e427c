"""A program that stands in for a service in tests of the supervisor: `program.py FOLDER NAME [trait...]`.

It writes what it does as lines into FOLDER/journal and its process id into FOLDER/NAME.pid, which means that it serves.
Traits: `stubborn` ignores the request to stop, `broken` ends at once, `parent` starts a child of its own.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType


def main(folder: Path, name: str, traits: set[str]) -> int:
    """Run until told to stop."""

    def note(what: str) -> None:
        with (folder / "journal").open("a") as journal:
            journal.write(f"{name} {what}\n")

    def stop(_number: int, _frame: FrameType | None) -> None:
        note("drained")
        sys.exit(0)

    if "broken" in traits:
        sys.stderr.write("the disk is on fire\n")
        return 3
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in traits else stop)
    if "parent" in traits:
        child = subprocess.Popen([sys.executable, "-ISc", "import signal; signal.pause()"])
        (folder / f"{name}.child").write_text(str(child.pid))
    note("serves")
    ready = folder / f"{name}.pid.new"
    ready.write_text(str(os.getpid()))
    ready.rename(folder / f"{name}.pid")
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], set(sys.argv[3:])))
