"""The order and its state machine, by the order state matrices of FIX 4.4 and 5.0 (volume 4, appendix D)."""

from __future__ import annotations

from decimal import Decimal

from services.kernel.decimals import ZERO
from services.order.domain.breach import RiskBreach
from services.order.domain.prices import average_price
from services.order.domain.replacing import Replace, ReplaceStatus
from services.order.domain.terms import OrderTerms
from services.order.domain.values import LIVE_STATUSES, OrderStatus


class Order:
    """An order as it stands after one event. Never changed: an event makes the next one.

    While live, quantity = cumulative + leaves. Once ended it never changes and nothing leaves.

    Attributes:
        terms: What was ordered.
        status: Where it stands.
        live: Whether it may still trade.
        accepted: Whether the venue has taken it.
        cumulative: Quantity traded.
        notional: Exact sum of price x quantity of its fills.
        connection_id: Broker connection; empty until known.
        venue_order_id: The venue's id; empty until known.
        version: Counts its events, from 1.
        sequence: Sequence of its last event in the log.
        placed_sequence: Sequence of the event that numbers the command which places it: its first one, or its release;
            0 while it is at no venue: held here, or worked through child orders.
        cancel_sequence: Sequence of the last request to cancel it, which numbers that command; 0 without one.
        created_at_ns: When it was committed, nanoseconds since 1970.
        updated_at_ns: When it last changed.
        reason: Why it ended, or is to end without its owner having asked for it, out of the contract's error
            reasons; empty while it is otherwise live, or filled.
        text: The same in words.
        breach: The risk rule that refused it.
        replace: The newest replace of it; None when none was ever asked for.
    """

    __slots__ = (
        "accepted",
        "breach",
        "cancel_sequence",
        "connection_id",
        "created_at_ns",
        "cumulative",
        "live",
        "notional",
        "placed_sequence",
        "reason",
        "replace",
        "sequence",
        "status",
        "terms",
        "text",
        "updated_at_ns",
        "venue_order_id",
        "version",
    )

    def __init__(
        self,
        terms: OrderTerms,
        status: OrderStatus,
        *,
        sequence: int,
        created_at_ns: int,
        placed_sequence: int | None = None,
        cancel_sequence: int = 0,
        accepted: bool = False,
        cumulative: Decimal = ZERO,
        notional: Decimal = ZERO,
        connection_id: str | None = None,
        venue_order_id: str = "",
        version: int = 1,
        updated_at_ns: int | None = None,
        reason: str = "",
        text: str = "",
        breach: RiskBreach | None = None,
        replace: Replace | None = None,
    ) -> None:
        self.terms = terms
        self.status = status
        self.live = status in LIVE_STATUSES
        self.accepted = accepted
        self.cumulative = cumulative
        self.notional = notional
        self.connection_id = terms.connection_id if connection_id is None else connection_id
        self.venue_order_id = venue_order_id
        self.version = version
        self.sequence = sequence
        self.placed_sequence = sequence if placed_sequence is None else placed_sequence
        self.cancel_sequence = cancel_sequence
        self.created_at_ns = created_at_ns
        self.updated_at_ns = created_at_ns if updated_at_ns is None else updated_at_ns
        self.reason = reason
        self.text = text
        self.breach = breach
        self.replace = replace

    @property
    def leaves(self) -> Decimal:
        """Quantity that may still trade; 0 once ended."""
        return self.terms.quantity - self.cumulative if self.live else ZERO

    @property
    def average(self) -> Decimal | None:
        """Average price of its fills; None while there are none."""
        return average_price(self.notional, self.cumulative)

    @property
    def refused_at_entry(self) -> bool:
        """Whether it was refused before it was ever sent to a venue."""
        return self.status is OrderStatus.REJECTED and self.version == 1

    @property
    def replacing(self) -> Replace | None:
        """The replace that is on its way; None when none is."""
        replace = self.replace
        return replace if replace is not None and replace.status is ReplaceStatus.PENDING else None

    @property
    def resting_status(self) -> OrderStatus:
        """Its state apart from a cancel and a replace that are on their way: what their refusal brings back."""
        if self.cumulative:
            return OrderStatus.PARTIALLY_FILLED
        if self.accepted:
            return OrderStatus.NEW
        return OrderStatus.PENDING_NEW if self.placed_sequence else OrderStatus.SUSPENDED

    @property
    def at_venue(self) -> bool:
        """Whether it has been sent to a venue, or is about to be."""
        return self.placed_sequence > 0

    @property
    def held(self) -> bool:
        """Whether it is kept here and waits to be released."""
        return self.status is OrderStatus.SUSPENDED

    def successor(self, status: OrderStatus, *, live: bool, sequence: int, at_ns: int) -> Order:
        """Returns the order after an event; whoever makes the event sets what else it changes before it is seen."""
        order: Order = Order.__new__(Order)
        order.terms = self.terms
        order.status = status
        order.live = live
        order.accepted = self.accepted
        order.cumulative = self.cumulative
        order.notional = self.notional
        order.connection_id = self.connection_id
        order.venue_order_id = self.venue_order_id
        order.version = self.version + 1
        order.sequence = sequence
        order.placed_sequence = self.placed_sequence
        order.cancel_sequence = self.cancel_sequence
        order.created_at_ns = self.created_at_ns
        order.updated_at_ns = at_ns
        if live and self.live:
            # Why it is to end stays with it until it has, or its venue refuses.
            order.reason, order.text = self.reason, self.text
        else:
            order.reason = order.text = ""
        order.breach = self.breach
        replace = self.replace
        if replace is not None and not live and replace.status is ReplaceStatus.PENDING:
            # The end of the order has overtaken the replace, whose own answer will come late.
            replace = replace.decided(ReplaceStatus.REJECTED)
        order.replace = replace
        return order
