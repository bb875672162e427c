"""Quotes between the contracts' messages and the domain's values."""

from __future__ import annotations

from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.marketdata.v1.quote_pb2 import Quote as QuoteMessage
from ordermesh.order.v1.arrival_quote_pb2 import ArrivalQuote
from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from services.kernel.decimals import format_decimal
from services.order.domain.quotes import Quote

_BILLION = 1_000_000_000


def quote_of(message: QuoteMessage, *, stale: bool) -> Quote:
    """Returns the quote of a message of MarketDataService, stale when either says so."""
    return Quote(
        message.instrument,
        _number(message.bid_price),
        _number(message.ask_price),
        _number(message.last_price),
        bid_quantity=_number(message.bid_quantity),
        ask_quantity=_number(message.ask_quantity),
        last_quantity=_number(message.last_quantity),
        traded_at_ns=_nanoseconds(message.last_trade_time),
        quoted_at_ns=_nanoseconds(message.venue_time),
        stale=stale or message.stale,
    )


def encoded_arrival(quote: Quote) -> bytes:
    """Returns the part of an execution report that tells the quote at arrival: made once for each quote."""
    if quote.encoded is None:
        quote.encoded = ExecutionReport(arrival=arrival_message(quote)).SerializeToString()
    return quote.encoded


def arrival_message(quote: Quote) -> ArrivalQuote:
    """Returns the message of the quote at the arrival of an order."""
    message = ArrivalQuote(
        bid_price=_text(quote.bid), ask_price=_text(quote.ask), last_price=_text(quote.last), stale=quote.stale
    )
    if quote.quoted_at_ns:
        message.quoted_at.seconds, message.quoted_at.nanos = divmod(quote.quoted_at_ns, _BILLION)
    return message


def arrival_of(report: ExecutionReport) -> Quote | None:
    """Returns the quote that the first entry of an order tells; None when none was known."""
    if not report.HasField("arrival"):
        return None
    told = report.arrival
    return Quote(
        report.instrument,
        _number(told.bid_price),
        _number(told.ask_price),
        _number(told.last_price),
        quoted_at_ns=_nanoseconds(told.quoted_at),
        stale=told.stale,
    )


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _text(value: Decimal | None) -> str:
    return "" if value is None else format_decimal(value)


def _nanoseconds(at: Timestamp) -> int:
    return at.seconds * _BILLION + at.nanos
