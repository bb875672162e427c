"""Passwords of the local servers: made once, readable by the owner alone."""

import os
import secrets
from pathlib import Path


def password(path: Path) -> str:
    """Return the password kept in `path`, made now when there is none yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, secrets.token_hex(24))
    return path.read_text()


def write_private(path: Path, text: str) -> None:
    """Write a file in one step, so that no one but the owner can read it and no one sees half of it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    unfinished.replace(path)
