"""What the quote at arrival costs a plain order: placements prepared and encoded with it and without it.

`python -m tests.bench.arrival` prints a line. Processor time, the least of many rounds, of the part of the order path
that knows of the quote; and what it costs to read a quote that has changed, which the first order after a change pays.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ordermesh.marketdata.v1 import quote_pb2
from services.kernel.identifiers import UuidV7
from services.order.domain.events import place
from services.order.domain.quotes import Quote
from services.order.domain.terms import OrderTerms
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.pipeline.ports import Quotes
from services.order.pipeline.tickets import Placement, Ticket
from services.order.store.encoding import encode
from services.order.wire_quotes import encoded_arrival, quote_of
from tests.fakes.orders import terms

BATCH = 256
ROUNDS = 200
_AT_NS = 1_790_000_000_000_000_000


class Known:
    """Tells quotes as the board does while they do not change."""

    def __init__(self, quotes: dict[str, Quote]) -> None:
        self._quotes = quotes

    def quote(self, instrument: str) -> Quote | None:
        """Returns a quote."""
        return self._quotes.get(instrument)


def message() -> quote_pb2.Quote:
    """Returns a quote as it is told."""
    told = quote_pb2.Quote(instrument="AAPL.XNAS", bid_price="187.24", ask_price="187.26", last_price="187.25")
    told.venue_time.FromNanoseconds(_AT_NS)
    told.last_trade_time.FromNanoseconds(_AT_NS)
    return told


def batch_seconds(quotes: Quotes, orders: list[OrderTerms], ticket: Ticket) -> float:
    """Returns the time that a batch of new orders takes from the ticket to its bytes."""
    for each in orders:
        each.encoded = None
    book = Book(epoch="epoch")
    book.load_accounts({"demo": 0})
    new_id = UuidV7().new_id
    begun = time.thread_time()
    placements = [Placement(each, quotes.quote(each.instrument), ticket, 0) for each in orders]
    draft = Draft(book, _AT_NS)
    for placement in placements:
        entry = draft.append(place(placement.terms, draft.next_sequence, draft.at_ns), new_id())
        entry.arrival = placement.arrival
    encode(draft)
    return time.thread_time() - begun


async def measure() -> dict[str, Any]:
    """Returns microseconds of processor time for each order, and for each change of a quote."""
    orders, ticket = [terms() for _ in range(BATCH)], Ticket(BATCH)
    known, none = Known({"AAPL.XNAS": quote_of(message(), stale=False)}), Known({})
    plain, quoted = [], []
    for _ in range(ROUNDS):
        plain.append(batch_seconds(none, orders, ticket))
        quoted.append(batch_seconds(known, orders, ticket))
    changed = message()
    begun = time.thread_time()
    for _ in range(ROUNDS):
        encoded_arrival(quote_of(changed, stale=False))
    each_change = (time.thread_time() - begun) / ROUNDS
    return {
        "without_us": round(min(plain) / BATCH * 1e6, 2),
        "with_us": round(min(quoted) / BATCH * 1e6, 2),
        "each_change_us": round(each_change * 1e6, 2),
        "bytes": len(encoded_arrival(quote_of(changed, stale=False))),
    }


if __name__ == "__main__":
    print(asyncio.run(measure()))
