"""Orders that are held here until the market reaches their price: who waits, and what the market does to them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, Protocol, TypeVar

from services.kernel.clock import Clock
from services.kernel.drain import Wakeup
from services.order.domain.conditions import waits
from services.order.domain.contingency import armed
from services.order.domain.links import ListRole
from services.order.domain.market_trade import MarketTrade, Seen
from services.order.domain.order import Order
from services.order.domain.watch import Watch
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.trigger_work import FollowMarket, Reached, ReleaseOrders
from services.order.pipeline.writer import Writer

T = TypeVar("T")

_PER_WORK: Final = 500
"""Orders in one piece of work, so that a market that moves many leaves room for others in each transaction."""


class TradeFeed(Protocol):
    """Follows the public trades of instruments; tells `Triggers` of them."""

    def follow(self, instrument: str) -> None:
        """Begins to follow an instrument."""
        ...

    def leave(self, instrument: str) -> None:
        """Follows it no more, from this moment on."""
        ...


class Triggers:
    """Watches the orders that are held here, instrument by instrument; a listener of the writer.

    An order is watched while it is held, waits for a price and may be triggered: what it is comes from the log alone.
    Trades come from the feed; what they reach is put into the writer, and decided there on the order as it stands then.
    """

    def __init__(
        self,
        book: Book,
        writer: Writer,
        clock: Clock,
        metrics: Metrics,
        *,
        follow_seconds: float = 1.0,
    ) -> None:
        self._book, self._writer, self._clock, self._metrics = book, writer, clock, metrics
        self._follow_seconds = follow_seconds
        self._feed: TradeFeed | None = None
        self._watches: dict[str, Watch] = {}
        self._held: set[str] = set()
        self._stirred: set[str] = set()
        self._moving = Wakeup()

    @property
    def held(self) -> int:
        """Number of orders that are held here, whatever they wait for."""
        return len(self._held)

    @property
    def watched(self) -> int:
        """Number of orders that a trade may release."""
        return sum(map(len, self._watches.values()))

    def start(self, feed: TradeFeed) -> None:
        """Takes in the orders that were loaded, and begins to follow their instruments."""
        self._feed = feed
        self._look_at(order for order in self._book.live.values() if order.held)

    def committed(self, draft: Draft) -> None:
        """Takes note of what was committed of orders that may be held."""
        if draft.instructed:
            self._look_at(self._concerned(draft))

    async def run(self) -> None:
        """Notes where stop prices have followed the market to, at most once in a while, for ever."""
        while True:
            await self._moving.wait()
            await self._writer.room()
            stirred, self._stirred = self._stirred, set()
            watches = [watch for name in stirred if (watch := self._watches.get(name)) is not None]
            moved = [order_id for watch in watches for order_id in watch.take_moved()]
            for part in _parts(moved):
                self._writer.put(FollowMarket(part, self._seen))
            await asyncio.sleep(self._follow_seconds)

    def missing(self, instrument: str) -> tuple[MarketTrade | None, int | None]:
        """Returns from where on trades are needed: the last one known, and the time at which the first order began."""
        watch = self._watches[instrument]
        return watch.last, watch.begins_ns

    def caught_up(self, instrument: str, trades: Sequence[MarketTrade], tick_size: Decimal) -> None:
        """Takes in the trades that were missing, oldest first; from now on none is."""
        self._release(Reached(*found) for found in self._watches[instrument].catch_up(trades, tick_size))
        self._stir(instrument)

    def traded(self, instrument: str, trades: Iterable[MarketTrade]) -> None:
        """Takes in new trades, in their order."""
        watch = self._watches[instrument]
        self._release(Reached(*found) for trade in trades for found in watch.trade(trade))
        self._stir(instrument)

    def lost(self, instrument: str) -> None:
        """Takes note that trades may be missing from now on."""
        if (watch := self._watches.get(instrument)) is not None:
            watch.lose()

    def _concerned(self, draft: Draft) -> Iterator[Order]:
        """Yields the orders of a draft as they stand now, and the exits that their entry may have armed."""
        for order_id in dict.fromkeys(entry.order.terms.order_id for entry in draft.instructed):
            order = draft.orders[order_id]
            yield order
            if order.terms.role is ListRole.ENTRY:
                yield from (each for each in self._book.group(order.terms.group_id).values() if each.held)

    def _look_at(self, orders: Iterable[Order]) -> None:
        self._release([Reached(order.terms.order_id, seen) for order in orders if (seen := self._look(order))])

    def _look(self, order: Order) -> Seen | None:
        """Watches an order, or does so no more; returns what has reached its price already."""
        order_id, instrument = order.terms.order_id, order.terms.instrument
        if order.held:
            self._held.add(order_id)
        else:
            self._held.discard(order_id)
        members = self._book.group(order.terms.group_id) if order.terms.role is not None else {}
        if not (waits(order) and armed(order, members)):
            self._drop(order_id, instrument)
            return None
        watch = self._watches.get(instrument)
        if watch is None:
            watch = self._watches[instrument] = Watch()
            if self._feed is not None:
                self._feed.follow(instrument)
        self._stir(instrument)
        return watch.put(order, _begins_ns(order, members.values()))

    def _drop(self, order_id: str, instrument: str) -> None:
        watch = self._watches.get(instrument)
        if watch is None:
            return
        watch.drop(order_id)
        if not watch:
            del self._watches[instrument]
            if self._feed is not None:
                self._feed.leave(instrument)

    def _release(self, reached: Iterable[Reached]) -> None:
        for part in _parts(list(reached)):
            self._writer.put(ReleaseOrders(part, self._released))

    def _released(self, seen: Seen) -> None:
        self._metrics.released(max(0, self._clock.now_ns() - seen.at_ns) / 1e9)

    def _seen(self, order: Order) -> Seen | None:
        watch = self._watches.get(order.terms.instrument)
        return None if watch is None else watch.seen(order.terms.order_id)

    def _stir(self, instrument: str) -> None:
        self._stirred.add(instrument)
        self._moving.call()


def _begins_ns(order: Order, members: Iterable[Order]) -> int:
    """Returns the time from which on trades count for an order: that of the newest entry of the log that says so."""
    instructions = order.terms.instructions
    trailing = None if instructions is None else instructions.trailing
    if trailing is not None and trailing.as_of_ns is not None:
        return trailing.as_of_ns + 1
    if order.terms.role is not ListRole.EXIT:
        return order.updated_at_ns
    entries = (each.updated_at_ns for each in members if each.terms.role is ListRole.ENTRY)
    return max(order.updated_at_ns, *entries)


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(items), _PER_WORK):
        yield items[first : first + _PER_WORK]
