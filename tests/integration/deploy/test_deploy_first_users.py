"""The first users of `python -m deploy.embedded`: shown once, to a person alone."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

from deploy.embedded.local_mesh import REPOSITORY
from deploy.embedded.plan import Ports
from deploy.embedded.ports import is_free, unused_port

PARTS = ("postgres", "identity", "identity_metrics")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
SHOWN = re.compile(r"^ +(\w+) +((?:\w{4}-){3}\w{4})  (\w+)\r?$", re.MULTILINE)


def base_port() -> int:
    """Returns a base port whose parts find their ports unused."""
    while (base := unused_port()) > 65_000 or not all(is_free(Ports.from_base(base).numbers[part]) for part in PARTS):
        pass
    return base


def shown(directory: Path, port: int, *, on_terminal: bool) -> str:
    """Starts IdentityService and stops it again, and returns all that was shown."""
    reading, writing = pty.openpty() if on_terminal else os.pipe()
    command = [sys.executable, "-m", "deploy.embedded", "--directory", str(directory), "--port", str(port), "identity"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORDERMESH_")}
    told = ""
    with (
        closing(os.fdopen(reading, "rb", buffering=0)) as screen,
        subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**environment, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
        ) as process,
    ):
        os.close(writing)
        try:
            # A terminal ends with an error once nobody holds its other side.
            with suppress(OSError):
                while news := screen.read(65_536):
                    before, told = told, told + news.decode(errors="replace")
                    if "is running" in told and "is running" not in before:
                        process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0, told
        finally:
            process.kill()
    return COLOURS.sub("", told)


def everything_below(directory: Path) -> str:
    """Returns all logs, and what lies in the run folder."""
    files = [path for name in ("logs", "run") for path in (directory / name).rglob("*") if path.is_file()]
    assert {"identity.log", "postgres.log"} <= {path.name for path in files}
    return "\n".join(path.read_text(errors="replace") for path in files)


def test_passwords_of_the_first_users_are_shown_once_on_a_terminal(tmp_path: Path) -> None:
    """Where the output is no terminal it says which file has them; the next start on one shows them, no later one."""
    port, kept = base_port(), tmp_path / "run" / "first-users.json"
    piped = shown(tmp_path, port, on_terminal=False)
    assert (str(kept) in piped, SHOWN.findall(piped)) == (True, [])
    assert kept.stat().st_mode & 0o777 == 0o600
    users = SHOWN.findall(shown(tmp_path, port, on_terminal=True))
    assert [(name, role) for name, _, role in users] == [("admin", "admin"), ("demo", "trader")]
    assert not kept.exists()
    for on_terminal in (True, False):
        later = shown(tmp_path, port, on_terminal=on_terminal)
        assert (SHOWN.findall(later), "first-users" in later, "login" in later) == ([], False, False)
    left = everything_below(tmp_path)
    assert not any(password in left for _, password, _ in users)
