"""What was found when a venue was held against the log, and what was decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ReconciliationKind(IntEnum):
    """What was found. The numbers are the contract's, which a test proves."""

    AGREED = 1
    PUT_OFF = 2
    REPORTS_WHILE_AWAY = 3
    COMMANDS_RESENT = 4
    UNKNOWN_AT_VENUE = 5
    OPEN_AT_VENUE_ENDED_HERE = 6
    MISSING_AT_VENUE = 7
    LOST_BY_VENUE = 8
    REPORT_OF_UNKNOWN_ORDER = 9
    FILL_AFTER_END = 10
    REPORT_NOT_LOOKED_INTO = 11
    ADJUSTMENT_NOT_BOOKED = 15
    PASSED_OVER_BY_VENUE = 16


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found.

    Attributes:
        found: In words.
        decided: What was decided, in words.
        order_ids: Our ids of the orders concerned, as many as there are.
        venue_order_ids: The venue's ids of them; parallel to `order_ids` where both are told.
        count: How many orders, reports or commands it is about.
        report_sequence: Sequence of the report concerned; 0 for none.
    """

    kind: ReconciliationKind
    connection_id: str
    found: str
    decided: str
    count: int
    order_ids: tuple[str, ...] = ()
    venue_order_ids: tuple[str, ...] = ()
    report_sequence: int = 0


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A finding as it is kept, or a part of one that concerns many orders.

    Attributes:
        reconciliation_id: A UUIDv7, later ones greater.
        finding: What was found and decided.
        at_ns: When, nanoseconds since 1970, whole microseconds.
        sequence: Sequence that the order log had reached.
        shard: Shard of the log.
        environment: Number of the connection's environment; 0 when it was not told.
    """

    reconciliation_id: str
    finding: Finding
    at_ns: int
    sequence: int
    shard: int = 0
    environment: int = 0
