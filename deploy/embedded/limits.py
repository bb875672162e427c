"""How many files a process may hold open: each connection is one, and the usual limit is for a person at a terminal."""

import resource
from typing import Final

WANTED: Final = 131_072
"""More than twice the connections that the gateway takes: each may be one of ours to a service, too."""


def raise_file_limit() -> int:
    """Let this process, and those that it starts from now on, hold as many files open as they may; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return soft
