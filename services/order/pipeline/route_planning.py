"""Makes the plan of a round: fresh books of all listings, and connections that are up, held against each other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Protocol

from services.kernel.clock import Clock
from services.kernel.errors import CodedError, precondition
from services.order.domain.algorithms.estimates import MINUTE_NS, volatility_of
from services.order.domain.algorithms.routing import Wanted, plan_routes, resting_route
from services.order.domain.algorithms.routing_costs import Candidate, Market, price_volatility
from services.order.domain.algorithms.routing_record import RoutingRecord
from services.order.domain.algorithms.routing_terms import PlannedRoute, RoutingPlan, SmartRouting
from services.order.domain.algorithms.terms import Plan
from services.order.domain.instruments import Instrument
from services.order.domain.preview import Depth
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderType, Side, TimeInForce
from services.order.pipeline.algorithm_plans import MarketHistory
from services.order.pipeline.previewing import Depths, Route, RouteQuery

_UP: Final = 1
"""Number of the state of a connection that carries orders, in the contract."""
_LOOKED_BACK_NS: Final = 60 * MINUTE_NS


class Listings(Protocol):
    """Knows what lists the same."""

    def listings(self, name: str) -> Sequence[Instrument]:
        """Returns the instruments that list the same as one, itself among them, by name; none while it is not known."""
        ...


class RoutePlanner:
    """Plans rounds. It keeps nothing but what it measures."""

    def __init__(
        self,
        listings: Listings,
        depths: Depths,
        routes: RouteQuery,
        history: MarketHistory,
        *,
        record: RoutingRecord,
        clock: Clock,
    ) -> None:
        self._listings, self._depths, self._routes, self._history = listings, depths, routes, history
        self._record, self._clock = record, clock

    def allowed(self, terms: OrderTerms, strategy: SmartRouting) -> Sequence[Instrument]:
        """Returns the listings that an order may be routed to now."""
        now_ns = self._clock.now_ns()
        listings = self._listings.listings(terms.instrument)
        trading = [each for each in listings if each.trades_at(now_ns) and not each.collecting]
        return [each for each in trading if not strategy.venues or each.venue in strategy.venues]

    async def plan(
        self, terms: OrderTerms, strategy: SmartRouting, quantity: Decimal, *, rounds: int = 0, takes: bool = True
    ) -> Plan:
        """Returns the plan of a round.

        Args:
            terms: The order.
            strategy: How it is routed.
            quantity: What is to be routed.
            rounds: Rounds before.
            takes: Whether it may take from books, rather than rest only.

        Raises:
            CodedError: NO_ROUTE.
        """
        listings = self.allowed(terms, strategy)
        connection_ids = strategy.connection_ids or (terms.connection_id,)
        books, routes, volatility = await asyncio.gather(
            asyncio.gather(*(self._book(each) for each in listings)),
            asyncio.gather(*(self._route(terms, each) for each in connection_ids)),
            self._daily_volatility(terms.instrument),
        )
        known = [(listing, book) for listing, book in zip(listings, books, strict=True) if book is not None]
        candidates = [self._candidate(listing, route) for listing, _ in known for route in routes if route is not None]
        if not candidates:
            raise _no_route(terms)
        market = _market(terms.side, known, volatility)
        wanted = Wanted(terms.side, quantity, terms.limit_price, strategy.max_venue_quantity)
        taken, unrouted = _taken(wanted, candidates, market) if takes else ((), quantity)
        routes_planned = taken
        waits = bool(taken) and _offered_beyond(wanted, unrouted, candidates, market)
        if unrouted and not waits and (rest := resting_route(_left(wanted, unrouted), candidates, market)) is not None:
            routes_planned, unrouted = (*taken, rest), unrouted - rest.quantity
        measured = "30 % a year" if volatility is None else "the last hour"
        basis = f"{len(known)} listings, {len(candidates)} ways to them, volatility of {measured}"
        return Plan(basis, routing=RoutingPlan(rounds + bool(taken), routes_planned, unrouted))

    def _candidate(self, listing: Instrument, route: Route) -> Candidate:
        return Candidate(
            listing,
            route.connection_id,
            route.fee_rate,
            self._record.latency_seconds(route.connection_id),
            self._record.fill_probability(listing.name, route.connection_id),
        )

    async def _book(self, listing: Instrument) -> Depth | None:
        """Returns a book; None when it cannot be told now: the other listings may do."""
        try:
            return await self._depths.depth(listing.name)
        except CodedError:
            return None

    async def _route(self, terms: OrderTerms, connection_id: str) -> Route | None:
        """Returns a connection; None when it cannot carry children now."""
        try:
            route = await self._routes.route(_probe(terms, connection_id))
        except CodedError:
            return None
        return route if route.state == _UP and route.supported else None

    async def _daily_volatility(self, instrument: str) -> Decimal | None:
        now_ns = self._clock.now_ns()
        try:
            return volatility_of(await self._history.bars(instrument, now_ns - _LOOKED_BACK_NS, now_ns, MINUTE_NS))
        except CodedError:
            return None


def _taken(wanted: Wanted, candidates: Sequence[Candidate], market: Market) -> tuple[tuple[PlannedRoute, ...], Decimal]:
    routing = plan_routes(wanted, candidates, market)
    return routing.routes, routing.unrouted


def _offered_beyond(wanted: Wanted, unrouted: Decimal, candidates: Sequence[Candidate], market: Market) -> bool:
    """Tells whether books offer more than a round may send: resting at the limit, the rest would take it at once."""
    if not unrouted or wanted.max_venue_quantity is None:
        return False
    unbounded = Wanted(wanted.side, wanted.quantity, wanted.limit_price)
    return plan_routes(unbounded, candidates, market).unrouted < unrouted


def _left(wanted: Wanted, quantity: Decimal) -> Wanted:
    return Wanted(wanted.side, quantity, wanted.limit_price)


def _market(side: Side, known: Sequence[tuple[Instrument, Depth]], daily: Decimal | None) -> Market:
    levels = {listing.name: book.asks if side is Side.BUY else book.bids for listing, book in known}
    tick = min(listing.tick_size for listing, _ in known)
    asks = [book.asks[0].price for _, book in known if book.asks]
    bids = [book.bids[0].price for _, book in known if book.bids]
    spread = max(min(asks) - max(bids), tick) if asks and bids else tick
    price = next(iter(asks or bids), tick)
    return Market(levels, spread, price_volatility(daily, price))


def _probe(terms: OrderTerms, connection_id: str) -> OrderTerms:
    """Returns terms as children have them."""
    return OrderTerms(
        order_id="",
        client_order_id="",
        account_id=terms.account_id,
        instrument=terms.instrument,
        side=terms.side,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=terms.quantity,
        limit_price=terms.limit_price,
        connection_id=connection_id,
    )


def _no_route(terms: OrderTerms) -> CodedError:
    text = f"no listing of {terms.instrument} that it may be routed to has a current book and a connection that is up"
    return precondition("NO_ROUTE", text, instrument=terms.instrument)
