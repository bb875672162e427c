"""Attempts are counted before they are looked at, and taken back when they were good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.identity.domain.throttle import Attempts, Rule, address_key
from services.identity.pipeline.stores import AttemptStore
from services.kernel.clock import Clock
from services.kernel.errors import CodedError, ErrorKind, exhausted


@dataclass(frozen=True, slots=True)
class Rules:
    """What an account and an address are allowed."""

    account: Rule
    address: Rule


class Throttle:
    """Lets attempts through, as many as the rules allow."""

    def __init__(self, store: AttemptStore, rules: Rules, clock: Clock) -> None:
        self._store, self._rules, self._clock = store, rules, clock
        self.refused = 0

    @asynccontextmanager
    async def attempt(self, address: str, account: bytes | None = None) -> AsyncIterator[None]:
        """Counts an attempt; a block that ends well takes it back, and forgets those of the account before it.

        What fails for want of a store or of time says nothing about the attempt: it is not counted either.

        Raises:
            CodedError: TOO_MANY_ATTEMPTS.
        """
        keys = [(address_key(address), self._rules.address)]
        if account is not None:
            keys.append((account, self._rules.account))
        await self._count(keys)
        try:
            yield
        except CodedError as error:
            if error.kind in _UNDECIDED:
                await self._take_back([key for key, _ in keys])
            raise
        await self._take_back([keys[0][0]])
        if account is not None:
            await self._store.forget(account)

    async def count(self, address: str) -> None:
        """Counts an attempt that is not taken back, however good it is.

        Raises:
            CodedError: TOO_MANY_ATTEMPTS.
        """
        await self._count([(address_key(address), self._rules.address)])

    async def _count(self, keys: Sequence[tuple[bytes, Rule]]) -> None:
        now = self._clock.now()

        def decide(attempts: Sequence[Attempts]) -> Sequence[Attempts]:
            if wait := max(each.wait_seconds(now) for each in attempts):
                self.refused += 1
                raise exhausted("TOO_MANY_ATTEMPTS", "too many attempts were made", retry_after_seconds=wait)
            return [each.made(rule, now) for each, (_, rule) in zip(attempts, keys, strict=True)]

        await self._store.change([key for key, _ in keys], decide)

    async def _take_back(self, keys: Sequence[bytes]) -> None:
        await self._store.change(keys, lambda attempts: [each.taken_back() for each in attempts])


_UNDECIDED = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.EXHAUSTED, ErrorKind.DEADLINE})
