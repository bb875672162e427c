"""Orders in memory with what follows from each change of them, and a venue that is told what a real one would be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from services.kernel.decimals import ZERO
from services.order.domain.applying import apply
from services.order.domain.contingency import follow_list
from services.order.domain.events import place, request_cancel
from services.order.domain.held import release, trigger
from services.order.domain.ignored import Ignored
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType, OrderStatus
from services.order.domain.venue import VenueReportType
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft, Entry
from services.order.pipeline.reactions import Reactions
from tests.fakes.orders import CountingIdentifiers, report


class AtVenue:
    """An order as the venue has it, and what it was asked and has not answered yet, oldest first."""

    def __init__(self, quantity: Decimal) -> None:
        self.quantity, self.cumulative, self.open = quantity, ZERO, True
        self.asked: list[tuple[str, int, Decimal]] = []

    @property
    def leaves(self) -> Decimal:
        return self.quantity - self.cumulative


class DeskOfOrders:
    """Every step is a transaction: cause and consequences.

    Attributes:
        entries: The log.
        venue: Orders that were sent, by id.
    """

    def __init__(self) -> None:
        self.book = Book(epoch="e")
        self.book.load_accounts({"demo": 0})
        self.entries: list[Entry] = []
        self.venue: dict[str, AtVenue] = {}
        self.orders: dict[str, Order] = {}
        self._reactions, self._identifiers = Reactions(follow_list), CountingIdentifiers()

    def place(self, *terms: OrderTerms) -> None:
        """Places orders in one transaction."""
        self._commit(lambda draft: self._place(draft, terms))

    def cancel(self, order_id: str) -> None:
        """A caller asks for the cancel of an order."""
        self._change(order_id, request_cancel)

    def trigger(self, order_id: str) -> None:
        """The price of a held order of a list was reached."""
        self._change(order_id, trigger)

    def release(self, order_id: str) -> None:
        """A held order is sent."""
        self._change(order_id, release)

    def fill(self, order_id: str, quantity: Decimal, price: str = "10") -> None:
        """The venue fills a part of an order."""
        held = self.venue[order_id]
        held.cumulative += quantity
        held.open = held.leaves > ZERO
        self._report(order_id, VenueReportType.TRADE, quantity=str(quantity), price=price)

    def answer(self, order_id: str, *, agree: bool) -> None:
        """The venue answers the oldest command on an order."""
        held = self.venue[order_id]
        kind, command, quantity = held.asked.pop(0)
        if not held.open:
            return
        if not agree:
            self._report(order_id, VenueReportType.CANCEL_REJECTED, command=command)
        elif kind == "cancel":
            held.open = False
            self._report(order_id, VenueReportType.CANCELED)
        else:
            held.quantity = max(quantity, held.cumulative)
            held.open = held.leaves > ZERO
            self._report(order_id, VenueReportType.REPLACED, command=command)

    def end(self, order_id: str) -> None:
        """The venue ends an order on its own."""
        self.venue[order_id].open = False
        self._report(order_id, VenueReportType.EXPIRED)

    def _place(self, draft: Draft, terms: Iterable[OrderTerms]) -> None:
        for each in terms:
            draft.append(place(each, draft.next_sequence, 1), self._identifiers.new_id())

    def _report(self, order_id: str, type_: VenueReportType, **told: object) -> None:
        def change(order: Order, sequence: int, at_ns: int) -> OrderEvent | None:
            made = apply(order, report(order_id, type_, **told), sequence, at_ns)  # type: ignore[arg-type]  # any of them
            return None if isinstance(made, Ignored) else made

        self._change(order_id, change)

    def _change(self, order_id: str, change: Callable[[Order, int, int], OrderEvent | None]) -> None:
        def prepare(draft: Draft) -> None:
            order = draft.order(order_id)
            event = None if order is None else change(order, draft.next_sequence, 1)
            if event is not None:
                draft.append(event, self._identifiers.new_id())

        self._commit(prepare)

    def _commit(self, prepare: Callable[[Draft], object]) -> None:
        draft = Draft(self.book, 1)
        prepare(draft)
        self._reactions.react(draft, self._identifiers)
        self.book.install(draft)
        self.entries += draft.entries
        self.orders |= draft.orders
        for entry in draft.entries:
            self._tell_venue(entry)

    def _tell_venue(self, entry: Entry) -> None:
        order, type_ = entry.order, entry.event.type
        order_id = order.terms.order_id
        if order.placed_sequence == entry.sequence:
            assert order_id not in self.venue, "sent twice"
            self.venue[order_id] = AtVenue(order.terms.quantity)
        elif type_ is ExecutionType.PENDING_CANCEL and order.at_venue:
            assert order.status is OrderStatus.PENDING_CANCEL
            self.venue[order_id].asked.append(("cancel", entry.sequence, ZERO))
        elif type_ is ExecutionType.PENDING_REPLACE and order.replace is not None:
            self.venue[order_id].asked.append(("replace", entry.sequence, order.replace.new_quantity))
