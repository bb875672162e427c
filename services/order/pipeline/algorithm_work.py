"""What algorithms put into transactions beside new children: children called back, orders that end, plans."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.kernel.errors import CodedError
from services.kernel.identifiers import Identifiers
from services.order.domain.algorithms.terms import Plan
from services.order.domain.events import request_cancel
from services.order.domain.held import restate
from services.order.domain.order import Order
from services.order.domain.replacing import working_by
from services.order.pipeline.book import Key
from services.order.pipeline.entries import Draft

REPRICED = "its price is not today's any more"


@dataclass(slots=True)
class AlgorithmWork:
    """Changes that were decided on. What is not committed is decided on anew, from how the orders stand then.

    Attributes:
        cancel: Children to be called back.
        end: Parents that are to end: reason and text by id.
        plans: Plans by parent.
        done: Set once it is known whether it was committed.
    """

    cancel: list[str] = field(default_factory=list)
    end: dict[str, tuple[str, str]] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    kept = False

    def __bool__(self) -> bool:
        return bool(self.cancel or self.end or self.plans)

    @property
    def weight(self) -> int:
        """One entry for each."""
        return len(self.cancel) + len(self.end) + len(self.plans)

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Changes each order that still is as it was."""
        for order_id in self.cancel:
            self._end(draft, identifiers, order_id, "", REPRICED)
        for order_id, (reason, text) in self.end.items():
            self._end(draft, identifiers, order_id, reason, text)
        for order_id, plan in self.plans.items():
            order = draft.order(order_id)
            instructions = None if order is None else order.terms.instructions
            algorithm = None if instructions is None else instructions.algorithm
            if order is None or algorithm is None or not algorithm.awaits(plan) or order.reason:
                continue
            terms = working_by(order.terms, algorithm.planned(plan))
            if (event := restate(order, terms, draft.next_sequence, draft.at_ns)) is not None:
                draft.append(event, identifiers.new_id())

    @staticmethod
    def _end(draft: Draft, identifiers: Identifiers, order_id: str, reason: str, text: str) -> None:
        if (order := draft.order(order_id)) is None:
            return
        event = request_cancel(order, draft.next_sequence, draft.at_ns, reason=reason, text=text)
        if event is not None:
            draft.append(event, identifiers.new_id())

    def resolve(self, existing: Mapping[Key, Order]) -> None:
        """Nothing of it can exist already."""

    def committed(self) -> None:
        """Lets who waits go on."""
        self.done.set()

    def failed(self, error: CodedError) -> None:  # noqa: ARG002 - what failed is decided on anew
        """Lets who waits go on."""
        self.done.set()

    def abandoned(self) -> None:
        """Nothing is held that would have to be let go."""
