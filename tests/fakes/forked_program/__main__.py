"""Says what it is told and where it is, and ends as it is told: `forked_program CODE | pause | fail | late`."""

import atexit
import json
import os
import signal
import sys


def main(mode: str) -> int:
    """Run."""
    here = {
        "arguments": sys.argv[1:],
        "directory": os.getcwd(),  # noqa: PTH109 - as the operating system says it
        "told": os.environ.get("TOLD"),
        "leads_session": os.getsid(0) == os.getpid(),
        "input": sys.stdin.read(),
        "files": len(os.listdir("/proc/self/fd")) - 1,  # noqa: PTH208 - one of them is that of the listing
        "name": __name__,
    }
    print(json.dumps(here), flush=True)  # noqa: T201 - whoever started it reads this
    if mode == "pause":
        signal.pause()
    if mode == "fail":
        raise ZeroDivisionError
    if mode == "late":
        atexit.register(print, "in the end", end="")
        return 0
    return int(mode)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
