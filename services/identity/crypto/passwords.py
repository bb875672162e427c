"""Passwords as Argon2id (RFC 9106), off the event loop, so many at a time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.kernel.errors import exhausted

T = TypeVar("T")

_RETRY_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a hash costs.

    Attributes:
        time_cost: Passes over the memory.
        memory_kib: Memory, in KiB.
        parallelism: Lanes.
        at_once: Hashes computed at a time: that many times the memory.
        most_waiting: Hashes that may wait for their turn.
    """

    time_cost: int
    memory_kib: int
    parallelism: int
    at_once: int
    most_waiting: int


class Argon2Passwords:
    """Hashes passwords in threads of its own; Argon2 leaves the interpreter to others meanwhile.

    Attributes:
        operations: Hashes computed so far, in making and in verifying.
        in_hand: Hashes being computed, and those that wait.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._hasher = PasswordHasher(parameters.time_cost, parameters.memory_kib, parameters.parallelism)
        self._threads = ThreadPoolExecutor(parameters.at_once, thread_name_prefix="argon2")
        self._most = parameters.at_once + parameters.most_waiting
        # Nobody has this password: what is verified where there is no user.
        self._nobody = self._hasher.hash(secrets.token_urlsafe())
        self.operations = 0
        self.in_hand = 0

    async def hash(self, password: str) -> str:
        """Returns the hash of a password.

        Raises:
            CodedError: OVERLOADED, when too many wait.
        """
        return await self._compute(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tells whether a password is that of a hash; with none it takes as long, and says no.

        Raises:
            CodedError: OVERLOADED, when too many wait.
        """
        good = await self._compute(lambda: self._matches(stored or self._nobody, password))
        return good and stored is not None

    def outdated(self, stored: str) -> bool:
        """Tells whether a hash was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(stored)

    async def close(self) -> None:
        """Waits for what is being computed, and takes nothing more."""
        await asyncio.to_thread(self._threads.shutdown)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _compute(self, work: Callable[[], T]) -> T:
        if self.in_hand >= self._most:
            raise exhausted("OVERLOADED", "too many log in at once", retry_after_seconds=_RETRY_AFTER_SECONDS)
        self.in_hand += 1
        self.operations += 1
        computed = asyncio.get_running_loop().run_in_executor(self._threads, work)
        computed.add_done_callback(self._done)
        # Who asked may be gone; the thread goes on all the same, and counts until it is done.
        return await asyncio.shield(computed)

    def _done(self, _computed: asyncio.Future[T]) -> None:
        self.in_hand -= 1
