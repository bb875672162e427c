"""What reconciliation can find, in words for people: what it is, and what is done about it."""

from __future__ import annotations

from collections.abc import Sequence

from services.kernel.decimals import format_decimal
from services.kernel.errors import CodedError
from services.order.domain.reconciliation import Finding, ReconciliationKind
from services.order.domain.venue import VenueReport, VenueReportType

_LEFT = "nothing was changed"


def agreed(connection_id: str, held: int) -> Finding:
    """A venue holds what is live here."""
    found = f"the venue holds {_number(held, 'order')}, and as many are live here: the same"
    return Finding(ReconciliationKind.AGREED, connection_id, found, "nothing had to be decided", held)


def put_off(connection_id: str, error: CodedError) -> Finding:
    """A venue cannot be asked."""
    found = f"the venue's orders cannot be compared now: {error}"
    decided = "put off: it is asked again until it answers"
    return Finding(ReconciliationKind.PUT_OFF, connection_id, found, decided, 0)


def reports_while_away(connection_id: str, first: int, last: int) -> Finding:
    """A venue has reported while the connection was away."""
    count = last - first + 1
    found = f"the venue made {_number(count, 'report')} while the connection was away, {first} to {last}"
    decided = "consumed: what they say is in the log"
    return Finding(ReconciliationKind.REPORTS_WHILE_AWAY, connection_id, found, decided, count)


def resent(connection_id: str, order_ids: Sequence[str]) -> Finding:
    """A venue has not seen some commands."""
    found = f"the venue had not seen {_number(len(order_ids), 'command')}"
    kind = ReconciliationKind.COMMANDS_RESENT
    return Finding(kind, connection_id, found, "sent again", len(order_ids), order_ids=tuple(order_ids))


def unknown_at_venue(connection_id: str, venue_order_ids: Sequence[str]) -> Finding:
    """A venue holds orders that are not of the log."""
    count = len(venue_order_ids)
    found = f"not of this log, and open at the venue: {_number(count, 'order')}"
    kind = ReconciliationKind.UNKNOWN_AT_VENUE
    return Finding(kind, connection_id, found, _LEFT, count, venue_order_ids=tuple(venue_order_ids))


def ended_here(connection_id: str, orders: Sequence[tuple[str, str]]) -> Finding:
    """A venue holds orders that have ended here; each is the venue's id and ours."""
    found = f"ended here, and open at the venue: {_number(len(orders), 'order')}"
    kind = ReconciliationKind.OPEN_AT_VENUE_ENDED_HERE
    ours, theirs = tuple(order_id for _, order_id in orders), tuple(order_id for order_id, _ in orders)
    return Finding(kind, connection_id, found, _LEFT, len(orders), ours, theirs)


def missing_at_venue(connection_id: str, orders: Sequence[tuple[str, str]]) -> Finding:
    """A venue does not hold orders that are live here; each is the venue's id and ours."""
    found = f"live here, taken by the venue, and not open there: {_number(len(orders), 'order')}"
    decided = f"{_LEFT}: they stay live until the venue reports on them"
    ours, theirs = tuple(order_id for _, order_id in orders), tuple(order_id for order_id, _ in orders)
    return Finding(ReconciliationKind.MISSING_AT_VENUE, connection_id, found, decided, len(orders), ours, theirs)


def lost_by_venue(connection_id: str, order_ids: Sequence[str]) -> Finding:
    """A venue has lost its history, and orders with it."""
    found = f"the venue has lost its history, and with it {_number(len(order_ids), 'order')}"
    decided = "canceled, with the reason VENUE_UNAVAILABLE"
    kind = ReconciliationKind.LOST_BY_VENUE
    return Finding(kind, connection_id, found, decided, len(order_ids), order_ids=tuple(order_ids))


def passed_over(connection_id: str, order_ids: Sequence[str]) -> Finding:
    """A venue has taken later commands and never those of some orders."""
    found = f"the venue has taken later commands, and never {_number(len(order_ids), 'order')}"
    decided = "canceled, with the reason VENUE_UNAVAILABLE: it would ignore them from now on"
    kind = ReconciliationKind.PASSED_OVER_BY_VENUE
    return Finding(kind, connection_id, found, decided, len(order_ids), order_ids=tuple(order_ids))


def report_of_unknown_order(report: VenueReport) -> Finding:
    """A venue reports on an order that is not of the log."""
    found = f"{_told(report)} of an order that is not of this log"
    return _of_report(ReconciliationKind.REPORT_OF_UNKNOWN_ORDER, report, found, f"not booked: {_LEFT}")


def fill_after_end(report: VenueReport) -> Finding:
    """A venue reports a fill of an order that has ended."""
    found = f"{_told(report)} of an order that has ended"
    decided = f"not booked: {_LEFT}. Order, position and risk do not contain it"
    return _of_report(ReconciliationKind.FILL_AFTER_END, report, found, decided)


def adjustment_not_booked(report: VenueReport) -> Finding:
    """A venue cancels or corrects a trade that is not there to be."""
    named = "" if report.adjustment is None else report.adjustment.reference_id
    found = f"{_told(report)} of the trade {named or 'without an id'}, which is not of this log or was canceled"
    decided = f"not booked: {_LEFT}. Order, position and risk do not contain it"
    return _of_report(ReconciliationKind.ADJUSTMENT_NOT_BOOKED, report, found, decided)


def not_looked_into(report: VenueReport, error: CodedError) -> Finding:
    """A venue reports on an order that is not live here, and the store cannot be asked."""
    found = f"{_told(report)} of an order that is not live here; whether it ever was cannot be found out: {error}"
    return _of_report(ReconciliationKind.REPORT_NOT_LOOKED_INTO, report, found, f"not booked: {_LEFT}")


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _of_report(kind: ReconciliationKind, report: VenueReport, found: str, decided: str) -> Finding:
    return Finding(
        kind,
        report.connection_id,
        found,
        decided,
        1,
        (report.order_id,) if report.order_id else (),
        (report.venue_order_id,) if report.venue_order_id else (),
        report.sequence,
    )


def _told(report: VenueReport) -> str:
    what = f"a report {report.type.name}"
    if report.type is VenueReportType.TRADE and report.last_quantity is not None and report.last_price is not None:
        quantity, price = format_decimal(report.last_quantity), format_decimal(report.last_price)
        what = f"a fill of {quantity} at {price} ({report.venue_execution_id or 'without an id'})"
    return f"{what}, {report.text}," if report.text else what
