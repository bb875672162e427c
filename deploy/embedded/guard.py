"""Ends by force what does not stop when its supervisor is gone.

The kernel asks every process of the mesh to stop when the supervisor dies, however it dies. One that hangs while it
stops would stay. So each supervisor has a guard: this file, run as a process of its own, which hears on its standard
input of every process that starts (`PID` in a line), notices the supervisor's end by the end of that input, gives the
processes some time, and kills what is left.
"""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TextIO


class Guard:
    """The supervisor's side."""

    def __init__(self, patience_seconds: float) -> None:
        """Start the guard, which gives orphans `patience_seconds` to stop."""
        heard, self._told = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-IS", __file__, str(patience_seconds)],
            stdin=heard,
            # Nothing that is meant for the supervisor, such as a Ctrl-C at the terminal, reaches it.
            start_new_session=True,
        )
        os.close(heard)

    def watch(self, pid: int) -> None:
        """Let the guard know of a process."""
        # A guard that was killed is missed only when the supervisor is killed as well.
        with suppress(BrokenPipeError):
            os.write(self._told, f"{pid}\n".encode())

    def dismiss(self) -> None:
        """End the guard; what it watches has been stopped."""
        self._process.kill()
        self._process.wait()
        os.close(self._told)


def main(patience_seconds: float, told: TextIO) -> None:
    """Watch over the processes told of until the input ends, then see to their end."""
    handles: list[int] = []
    for line in told:
        # A handle stays with its process, where a number may be given to another one.
        handles = _alive(handles)
        try:
            handles.append(os.pidfd_open(int(line)))
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + patience_seconds
    while (handles := _alive(handles)) and (left := deadline - time.monotonic()) > 0:
        select.select(handles, [], [], left)
    for handle in handles:
        signal.pidfd_send_signal(handle, signal.SIGKILL)


def _alive(handles: list[int]) -> list[int]:
    ended, _, _ = select.select(handles, [], [], 0)
    for handle in ended:
        os.close(handle)
    return [handle for handle in handles if handle not in ended]


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.stdin)
