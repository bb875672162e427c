"""The user that Postgres runs as where everything else is run by root."""

from __future__ import annotations

import pwd
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded import accounts

WHO_COMES = 4
PATIENCE_SECONDS = 20.0

USERADD = """#!/bin/sh
[ -e {users} ] && exit 9
: >{users}
echo made >>{made}
"""


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of root's without the user, and a `useradd` that fails when there is one; the file is the user."""
    users, program = tmp_path / "users", tmp_path / "useradd"
    program.write_text(USERADD.format(users=users, made=tmp_path / "made"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    root, together, asked = pwd.getpwuid(0), threading.Barrier(WHO_COMES), threading.local()

    def found(name: str) -> Any:
        there = users.exists()
        if not hasattr(asked, "once"):
            # Nobody goes on before all have seen that there is no user.
            asked.once = True
            together.wait(PATIENCE_SECONDS)
        if not there:
            raise KeyError(name)
        return root

    monkeypatch.setattr("pwd.getpwnam", found)
    return users


def test_who_comes_together_makes_the_user_once(users: Path) -> None:
    """As the workers of the tests do, the first time on a machine."""
    with ThreadPoolExecutor(WHO_COMES) as pool:
        made = list(pool.map(lambda _: accounts.unprivileged_account(), range(WHO_COMES)))
    assert None not in made
    assert len(set(made)) == 1
    assert (users.parent / "made").read_text() == "made\n"
