"""How callers wait for the outcomes of what they asked for."""

from __future__ import annotations

import asyncio

from services.kernel.errors import CodedError
from services.order.domain.order import Order
from services.order.domain.quotes import Quote
from services.order.domain.terms import OrderTerms
from services.order.pipeline.acting import who
from services.order.pipeline.ports import ACCEPTED, Decision

Outcome = Order | CodedError
"""An order as it stands after the commit, or why there is none."""


class Ticket:
    """One call's wait for the outcomes of its orders."""

    __slots__ = ("_open", "future", "outcomes", "who")

    def __init__(self, count: int) -> None:
        self._open = count
        self.outcomes: list[Outcome | None] = [None] * count
        self.who = who()
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self, index: int, outcome: Outcome) -> None:
        """Sets one outcome; the last one ends the wait."""
        self.outcomes[index] = outcome
        self._open -= 1
        if not self._open and not self.future.done():
            self.future.set_result(None)

    async def wait(self) -> list[Outcome]:
        """Returns the outcomes, one for each order, once there are all."""
        await self.future
        return [outcome for outcome in self.outcomes if outcome is not None]


class Placement:
    """An order on its way in, and who waits for it: the first caller, and those who sent the same meanwhile."""

    __slots__ = ("arrival", "decision", "order", "settled", "terms", "waiting")

    def __init__(self, terms: OrderTerms, arrival: Quote | None, ticket: Ticket, index: int) -> None:
        self.terms = terms
        self.arrival = arrival
        self.decision: Decision = ACCEPTED
        self.order: Order | None = None
        self.settled = False
        self.waiting = [(ticket, index)]

    @property
    def key(self) -> tuple[str, str]:
        """Account and client order id."""
        return self.terms.account_id, self.terms.client_order_id

    @property
    def who(self) -> bytes | None:
        """Who asked for it first."""
        return self.waiting[0][0].who

    @property
    def given_up(self) -> bool:
        """Whether nobody waits any more: every caller went away or ran out of time."""
        return all(ticket.future.cancelled() for ticket, _ in self.waiting)

    def join(self, ticket: Ticket, index: int) -> None:
        """Lets another caller wait for the same order."""
        self.waiting.append((ticket, index))

    def settle(self, outcome: Outcome) -> None:
        """Tells everybody who waits, once."""
        if self.settled:
            return
        self.settled = True
        for ticket, index in self.waiting:
            ticket.settle(index, outcome)
