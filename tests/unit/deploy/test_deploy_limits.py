"""How many files the parts may hold open."""

from __future__ import annotations

import resource
import subprocess
import sys

from deploy.embedded.limits import WANTED

ASK = "import resource; from deploy.embedded.limits import raise_file_limit; {}print(raise_file_limit())"
LOWER = "resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1])); "


def told(before: str) -> int:
    return int(subprocess.run([sys.executable, "-c", ASK.format(before)], check=True, capture_output=True).stdout)


def test_a_low_limit_is_raised_as_far_as_it_may() -> None:
    """To the hard limit, or to what is wanted where that is less."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert told(LOWER) == (WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard))


def test_a_limit_is_not_lowered() -> None:
    """What is more than that stays."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert told("") >= soft or soft == resource.RLIM_INFINITY
