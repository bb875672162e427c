"""The record of leases and the mass cancel as plain objects."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from services.kernel.errors import CodedError
from services.order.pipeline.work import CancelFilter


@dataclass
class FakeRecord:
    """Keeps leases; fails with the errors at the front of `errors`, one call each, None being none."""

    leases: dict[str, float] = field(default_factory=dict)
    errors: list[CodedError | None] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def load(self) -> dict[str, float]:
        await self._pass()
        return dict(self.leases)

    async def save(self, account_id: str, grace_seconds: float) -> None:
        await self._pass()
        self.leases[account_id] = grace_seconds

    async def remove(self, account_id: str) -> None:
        await self._pass()
        self.leases.pop(account_id, None)
        # The answer is on its way, which whoever asked need not wait for.
        await asyncio.sleep(0)

    async def _pass(self) -> None:
        await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate.wait()
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error


@dataclass
class FakeMassCancel:
    """Remembers whose orders were canceled; fails with the errors at the front of `errors`, one call each."""

    canceled: list[str] = field(default_factory=list)
    errors: list[CodedError] = field(default_factory=list)

    async def cancel_all(self, wanted: CancelFilter) -> list[str]:
        await asyncio.sleep(0)
        assert wanted == CancelFilter(wanted.account_id)
        if self.errors:
            raise self.errors.pop(0)
        self.canceled.append(wanted.account_id)
        return []
