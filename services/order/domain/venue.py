"""What a venue says of an order."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Final

from services.order.domain.values import RestatementReason


class VenueReportType(IntEnum):
    """What a venue's report says."""

    ACCEPTED = 1
    TRADE = 2
    CANCELED = 3
    CANCEL_REJECTED = 4
    REJECTED = 5
    EXPIRED = 6
    REPLACED = 7
    TRIGGERED = 8
    TRADE_CANCELED = 9
    TRADE_CORRECTED = 10
    RESTATED = 11


ADJUSTING: Final = frozenset({VenueReportType.TRADE_CANCELED, VenueReportType.TRADE_CORRECTED})
"""Reports of what becomes of a trade after it was made."""


@dataclass(frozen=True, slots=True)
class VenueAdjustment:
    """What a venue changes on its own: of a trade after it was made, or of an open order.

    Attributes:
        reference_id: The venue's id of the execution that is canceled or corrected.
        leaves_quantity: What is open of the order afterwards; None when the venue does not say.
        quantity: Quantity of a restated order as a whole; None: as before.
        limit_price: Limit price of a restated order; None: as before.
        reason: Why it was restated; None for others.
    """

    reference_id: str = ""
    leaves_quantity: Decimal | None = None
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    reason: RestatementReason | None = None


class VenueReport:
    """One report of a venue; never changed once made.

    Attributes:
        connection_id: Broker connection it came through.
        sequence: Sequence within the connection, without gaps.
        type: What it says.
        order_id: Our id of the order.
        venue_order_id: The venue's id of the order.
        venue_execution_id: The venue's id of the fill.
        last_price: Price of the fill.
        last_quantity: Quantity of the fill.
        cumulative_quantity: Quantity traded so far by the venue's count; None when it says none.
        fee: Fee of the fill.
        reason: Why, out of the contract's error reasons; empty when there is none.
        text: The venue's words.
        venue_at_ns: When the venue made it, nanoseconds since 1970; 0 when it does not say.
        reported_at_ns: When it came in here.
        command_sequence: Command that it answers; 0 when the venue does not say.
        adjustment: What the venue changes on its own; None for most reports.
    """

    __slots__ = (
        "adjustment",
        "command_sequence",
        "connection_id",
        "cumulative_quantity",
        "fee",
        "last_price",
        "last_quantity",
        "order_id",
        "reason",
        "reported_at_ns",
        "sequence",
        "text",
        "type",
        "venue_at_ns",
        "venue_execution_id",
        "venue_order_id",
    )

    def __init__(
        self,
        connection_id: str,
        sequence: int,
        type: VenueReportType,  # noqa: A002 - the contract's name
        order_id: str,
        *,
        venue_order_id: str = "",
        venue_execution_id: str = "",
        last_price: Decimal | None = None,
        last_quantity: Decimal | None = None,
        cumulative_quantity: Decimal | None = None,
        fee: Decimal | None = None,
        reason: str = "",
        text: str = "",
        venue_at_ns: int = 0,
        reported_at_ns: int = 0,
        command_sequence: int = 0,
        adjustment: VenueAdjustment | None = None,
    ) -> None:
        self.connection_id = connection_id
        self.sequence = sequence
        self.type = type
        self.order_id = order_id
        self.venue_order_id = venue_order_id
        self.venue_execution_id = venue_execution_id
        self.last_price = last_price
        self.last_quantity = last_quantity
        self.cumulative_quantity = cumulative_quantity
        self.fee = fee
        self.reason = reason
        self.text = text
        self.venue_at_ns = venue_at_ns
        self.reported_at_ns = reported_at_ns
        self.command_sequence = command_sequence
        self.adjustment = adjustment
