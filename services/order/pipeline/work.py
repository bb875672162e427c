"""What the writer puts into transactions, besides placements: requests to cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from services.kernel.errors import CodedError
from services.kernel.identifiers import Identifiers
from services.order.domain.events import request_cancel
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.domain.values import Side
from services.order.pipeline.acting import who
from services.order.pipeline.book import Key
from services.order.pipeline.entries import Draft

MOST_CANCELS: Final = 500
"""So many orders of one request are asked to be canceled in a transaction."""


class Work(Protocol):
    """A piece of a transaction. `prepare` may be called again, on another draft, when a transaction has failed."""

    @property
    def weight(self) -> int:
        """About how many entries it makes."""
        ...

    @property
    def kept(self) -> bool:
        """Whether it is tried again until it is committed, rather than failed, when the store does not take it."""
        ...

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Adds its entries to a draft."""
        ...

    def resolve(self, existing: Mapping[Key, Order]) -> None:
        """Drops, and answers, what has been committed before under these keys."""
        ...

    def committed(self) -> None:
        """The draft it was last prepared on is committed and installed."""
        ...

    def failed(self, error: CodedError) -> None:
        """Answers its callers with an error; whether it was committed may not be known yet."""
        ...

    def abandoned(self) -> None:
        """It is known not to be committed, and will not be tried again."""
        ...


class Caller:
    """The part of a work that one caller waits for."""

    kept = False

    def __init__(self) -> None:
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._who = who()

    def resolve(self, existing: Mapping[Key, Order]) -> None:
        """Nothing of it can exist already."""

    def committed(self) -> None:
        """Lets the caller look at the result."""
        if not self.future.done():
            self.future.set_result(None)

    def failed(self, error: CodedError) -> None:
        """Raises at the caller."""
        if not self.future.done():
            self.future.set_exception(error)

    def abandoned(self) -> None:
        """Nothing is held that would have to be let go."""


class CancelOrder(Caller):
    """A request to cancel one order.

    Attributes:
        order: The order afterwards; None when it was not live.
        asked: Whether this request is what cancels it.
    """

    weight = 1

    def __init__(self, order_id: str) -> None:
        super().__init__()
        self._order_id = order_id
        self.order: Order | None = None
        self.asked = False

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Asks for the cancel, unless the order has ended or one is on its way."""
        order = draft.order(self._order_id)
        event = request_cancel(order, draft.next_sequence, draft.at_ns) if order is not None else None
        self.asked = event is not None
        if event is not None:
            entry = draft.append(event, identifiers.new_id())
            entry.who, order = self._who, entry.order
        self.order = order


@dataclass(frozen=True, slots=True)
class CancelFilter:
    """Which live orders of an account; empty and None mean any."""

    account_id: str
    instrument: str = ""
    side: Side | None = None
    order_list_id: str = ""
    strategy_id: str = ""

    def wants(self, order: Order) -> bool:
        """Tells whether an order is meant."""
        terms = order.terms
        if self.instrument not in ("", terms.instrument) or self.side not in (None, terms.side):
            return False
        return not (self.order_list_id or self.strategy_id) or self._wants_links(terms)

    def _wants_links(self, terms: OrderTerms) -> bool:
        links = None if terms.instructions is None else terms.instructions.links
        return (
            links is not None
            and self.order_list_id in ("", links.order_list_id)
            and self.strategy_id in ("", links.strategy_id)
        )


class CancelOrders(Caller):
    """A request to cancel live orders of an account: of those that are live when its turn comes, a part at a time.

    Many thousands in one transaction would take longer than the store is given for it, and keep all others waiting.

    Attributes:
        order_ids: The orders that were live, those whose cancel was on its way already among them.
    """

    weight = 16

    def __init__(self, wanted: CancelFilter, go_on: Callable[[Work], None]) -> None:
        """Makes the request.

        Args:
            wanted: Which orders.
            go_on: Queues what is left of it after a part.
        """
        super().__init__()
        self._wanted, self._go_on = wanted, go_on
        self._done = 0
        self.order_ids: list[str] = []

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Asks for the cancel of each order of the next part that has not ended meanwhile."""
        if not self._done:
            orders = (order for order in draft.live_orders(self._wanted.account_id) if self._wanted.wants(order))
            self.order_ids = [order.terms.order_id for order in orders]
        for order_id in self.order_ids[self._done : self._done + MOST_CANCELS]:
            order = draft.order(order_id)
            event = None if order is None else request_cancel(order, draft.next_sequence, draft.at_ns)
            if event is not None:
                draft.append(event, identifiers.new_id()).who = self._who

    def committed(self) -> None:
        """Goes on with the next part, behind what waits by then, or lets the caller look at the result."""
        self._done += MOST_CANCELS
        if self._done < len(self.order_ids):
            self._go_on(self)
        else:
            super().committed()
