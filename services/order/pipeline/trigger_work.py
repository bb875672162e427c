"""What the market does to orders that wait here, on its way into the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.kernel.identifiers import Identifiers
from services.order.domain import held
from services.order.domain.conditions import expires_at_ns, reached, waits
from services.order.domain.contingency import armed
from services.order.domain.links import ListRole
from services.order.domain.market_trade import Seen
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.values import OrderStatus, TimeInForce
from services.order.pipeline.entries import Draft
from services.order.pipeline.reports import Kept

_ENDS = {
    TimeInForce.DAY: ("TRADING_DAY_ENDED", "the day ended while it waited"),
    TimeInForce.GTD: ("EXPIRE_AT_REACHED", "its expiry came while it waited"),
}


@dataclass(frozen=True, slots=True)
class Reached:
    """An order whose price was reached by what it has seen."""

    order_id: str
    seen: Seen


class ReleaseOrders(Kept):
    """Orders whose price was reached, in the order of the trades.

    Each is looked at again as it stands in the transaction: it may have been replaced, canceled or released since.
    """

    def __init__(self, orders: Sequence[Reached], released: Callable[[Seen], None]) -> None:
        self._orders, self._tell = orders, released
        self._released: list[Seen] = []

    @property
    def weight(self) -> int:
        """At most two entries for each."""
        return 2 * len(self._orders)

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Releases those that still wait for what was reached."""
        self._released = []
        for each in self._orders:
            order = draft.order(each.order_id)
            if order is not None and waits(order) and self._may_go(order, each.seen, draft):
                self._release(order, each.seen, draft, identifiers)

    def committed(self) -> None:
        """Tells what was released."""
        for seen in self._released:
            self._tell(seen)

    def _may_go(self, order: Order, seen: Seen, draft: Draft) -> bool:
        until = expires_at_ns(order)
        if until is not None and until <= max(seen.at_ns, draft.at_ns):
            # Its end has come first, and is on its way.
            return False
        if not reached(seen.applied(order.terms), seen.price):
            return False
        return order.terms.role is None or armed(order, draft.group(order.terms.group_id))

    def _release(self, order: Order, seen: Seen, draft: Draft, identifiers: Identifiers) -> None:
        terms = seen.applied(order.terms)
        if terms is not order.terms:
            # Where the stop price had followed the market to is told before it is reached.
            order = _append(held.restate(order, terms, draft.next_sequence, draft.at_ns), draft, identifiers) or order
        # Those that share a quantity go one after the other: what follows for the list decides when.
        shares = order.terms.role not in (None, ListRole.ENTRY)
        change = held.trigger if shares else held.release
        if _append(change(order, draft.next_sequence, draft.at_ns), draft, identifiers) is not None:
            self._released.append(seen)


class FollowMarket(Kept):
    """Trailing stop orders that the market has moved; what each has seen is asked for in the transaction itself."""

    def __init__(self, order_ids: Sequence[str], seen: Callable[[Order], Seen | None]) -> None:
        self._order_ids, self._seen = order_ids, seen

    @property
    def weight(self) -> int:
        """At most one entry for each."""
        return len(self._order_ids)

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Notes the stop price of each that has another one."""
        for order_id in self._order_ids:
            order = draft.order(order_id)
            seen = None if order is None or not waits(order) else self._seen(order)
            if order is None or seen is None:
                continue
            terms = seen.applied(order.terms)
            if terms is not order.terms:
                _append(held.restate(order, terms, draft.next_sequence, draft.at_ns), draft, identifiers)

    def committed(self) -> None:
        """Nobody waits for it."""


class ExpireOrders(Kept):
    """Orders that are held here and whose time is over."""

    def __init__(self, order_ids: Sequence[str], at_ns: int) -> None:
        self._order_ids, self._at_ns = order_ids, at_ns

    @property
    def weight(self) -> int:
        """One entry for each."""
        return len(self._order_ids)

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Ends each that is still held and has not been given more time."""
        for order_id in self._order_ids:
            order = draft.order(order_id)
            if order is None or not order.held:
                continue
            until = expires_at_ns(order)
            if until is not None and until <= self._at_ns:
                reason, text = _ENDS[order.terms.time_in_force]
                sequence, at_ns = draft.next_sequence, draft.at_ns
                ended = held.end_here(order, OrderStatus.EXPIRED, sequence, at_ns, reason=reason, text=text)
                _append(ended, draft, identifiers)

    def committed(self) -> None:
        """Nobody waits for it."""


def _append(event: OrderEvent | None, draft: Draft, identifiers: Identifiers) -> Order | None:
    return None if event is None else draft.append(event, identifiers.new_id()).order
