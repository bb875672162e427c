"""The file by which whoever starts the mesh learns who was made at the first start, with which password."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

from services.identity.pipeline.first_users import MadeUser


class FirstUsersFile:
    """Readable by its owner only, and seen whole or not at all.

    What is to be told lies beside it, under a name with `untold` in it, from before the users are made: a process that
    dies in between takes no password with it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._untold = path.with_name(f"{path.name}.{os.getpid()}.untold")

    async def prepare(self, made: Sequence[MadeUser]) -> None:
        """Keeps what is to be told."""
        await asyncio.to_thread(self._write, made)

    async def tell(self) -> None:
        """Gives the file its name."""
        await asyncio.to_thread(self._untold.replace, self._path)

    async def withdraw(self) -> None:
        """Removes what is not to be told."""
        await asyncio.to_thread(self._untold.unlink)

    def _write(self, made: Sequence[MadeUser]) -> None:
        told = [{"username": user.username, "role": user.role.name.lower(), "password": user.password} for user in made]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._untold, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(told, file)
            file.flush()
            os.fsync(file.fileno())
