"""Where findings and their records go, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.order.domain import refusals
from services.order.domain.reconciliation import Finding, Reconciliation
from services.order.pipeline.reconciliations import ReconciliationFilter


@dataclass
class FakeFindings:
    """Remembers what was found."""

    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        self.findings.append(finding)


@dataclass
class FakeReconciliationStore:
    """Keeps records.

    Attributes:
        away: How many writes fail before one succeeds.
        lost_answers: How many writes are made and fail all the same.
    """

    records: dict[str, Reconciliation] = field(default_factory=dict)
    away: int = 0
    lost_answers: int = 0
    attempts: int = 0
    pruned: list[int] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def append(self, records: Sequence[Reconciliation]) -> None:
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        self.attempts += 1
        if self.away:
            self.away -= 1
            raise refusals.store_unavailable()
        for record in records:
            self.records.setdefault(record.reconciliation_id, record)
        if self.lost_answers:
            self.lost_answers -= 1
            raise refusals.store_unavailable()

    async def prune(self, kept: int) -> int:
        await asyncio.sleep(0)
        gone = sorted(self.records)[:-kept]
        for reconciliation_id in gone:
            del self.records[reconciliation_id]
        self.pruned.append(len(gone))
        return len(gone)

    async def page(self, wanted: ReconciliationFilter, before: str, limit: int) -> Sequence[Reconciliation]:
        await asyncio.sleep(0)
        return [self.records[key] for key in sorted(self.records, reverse=True) if not before or key < before][:limit]
