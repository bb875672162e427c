"""What the mesh says of itself while it runs, to whoever started it."""

import sys
from contextlib import suppress


def say(text: str) -> None:
    """Write a line to the standard error; where nobody can be told (a full disk, a terminal that is gone), go on."""
    with suppress(OSError):
        sys.stderr.write(f"ordermesh: {text}\n")
