"""Writes generated files, or tells how the committed ones differ."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# Byte code that Python leaves beside generated modules is not ours to judge.
_IGNORED = ("__pycache__",)


@contextmanager
def only_one_at_a_time(folder: Path) -> Iterator[None]:
    """Holds a lock on `folder`, waiting for whoever holds it; the lock ends with the process, however that ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def drift(gen: Path, files: Mapping[str, bytes]) -> list[str]:
    """What differs between `files` and the folder, a line each, such as `changed: openapi/openapi.json`."""
    stale = _present(gen) - files.keys()
    lines = [f"stale: {name}" for name in stale]
    for name, data in files.items():
        path = gen / name
        if not path.exists():
            lines.append(f"missing: {name}")
        elif path.read_bytes() != data:
            lines.append(f"changed: {name}")
    return sorted(lines)


def write(gen: Path, files: Mapping[str, bytes]) -> int:
    """Makes the folder hold exactly `files`; returns how many changed. Readers never see half a file."""
    differing = drift(gen, files)
    for line in differing:
        kind, name = line.split(": ", 1)
        path = gen / name
        if kind == "stale":
            path.unlink()
            _remove_empty(path.parent, gen)
        else:
            _replace(path, files[name])
    return len(differing)


def _present(gen: Path) -> set[str]:
    found = (path for path in gen.rglob("*") if path.is_file() and not set(_IGNORED) & set(path.parts))
    return {path.relative_to(gen).as_posix() for path in found}


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.replace(path)


def _remove_empty(folder: Path, stop: Path) -> None:
    while folder != stop and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
