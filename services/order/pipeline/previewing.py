"""Tells what would become of an order, and leaves no trace: nothing is stored, reserved, queued or sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeVar

from services.kernel.clock import Clock
from services.kernel.errors import CodedError, precondition
from services.order.domain import refusals, rules
from services.order.domain.algorithms.planned import Planned, planned
from services.order.domain.algorithms.routing_terms import SmartRouting
from services.order.domain.algorithms.terms import Algorithm, Plan
from services.order.domain.events import place, refuse
from services.order.domain.preview import BeyondDepthError, Cost, Depth, as_met, estimate
from services.order.domain.terms import OrderTerms
from services.order.pipeline.algorithm_plans import AlgorithmPlans
from services.order.pipeline.book import Book
from services.order.pipeline.placing import Placing
from services.order.pipeline.ports import Decision, Instruments, Quotes, Store
from services.order.pipeline.tickets import Outcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Route:
    """Where an order would go.

    Attributes:
        state: Number of the connection's state in the contract.
        state_text: Why it carries no orders; empty when it does.
        supported: Whether its adapter takes orders of that type and time in force.
        fee_rate: Fee for taking liquidity, a part of the value.
    """

    connection_id: str
    display_name: str
    adapter: str
    state: int
    state_text: str
    supported: bool
    fee_rate: Decimal


class RiskCheck(Protocol):
    """Checks without reserving."""

    async def check(self, terms: OrderTerms) -> tuple[Decision, int]:
        """Returns what would be decided, and the sequence of the log that it reflects.

        Raises:
            CodedError: RISK_UNAVAILABLE.
        """
        ...


class Depths(Protocol):
    """Tells books."""

    async def depth(self, instrument: str) -> Depth:
        """Returns the book of an instrument, as deep as it is told.

        Raises:
            CodedError: There is none, it may be old, or nobody answers.
        """
        ...


class RouteQuery(Protocol):
    """Tells where orders go."""

    async def route(self, terms: OrderTerms) -> Route:
        """Returns where an order would go.

        Raises:
            CodedError: UNKNOWN_CONNECTION or SERVICE_UNAVAILABLE.
        """
        ...


class Rounds(Protocol):
    """Plans rounds of smart routing."""

    async def plan(self, terms: OrderTerms, strategy: SmartRouting, quantity: Decimal) -> Plan:
        """Returns the plan of the first round.

        Raises:
            CodedError: NO_ROUTE.
        """
        ...


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of an order; an error stands for a part that cannot be told.

    Attributes:
        terms: The order.
        outcome: What PlaceOrder would answer.
        free: Whether the client order id is free; None when it cannot be told.
        risk: What risk would decide, and the sequence of the log that it reflects.
        cost: What it would cost.
        route: Where it would go.
        as_of: Sequence of the order log.
        schedule: What its algorithm would do; None for an order without one.
    """

    terms: OrderTerms
    outcome: Outcome
    free: bool | None
    risk: tuple[Decision, int] | CodedError
    cost: Cost | CodedError
    route: Route | CodedError
    as_of: int
    schedule: Planned | CodedError | None = None


class Previewing:
    """Looks at orders before they are placed, by what placing itself goes by."""

    def __init__(
        self,
        book: Book,
        placing: Placing,
        store: Store,
        *,
        instruments: Instruments,
        risk: RiskCheck,
        depths: Depths,
        routes: RouteQuery,
        plans: AlgorithmPlans,
        rounds: Rounds,
        quotes: Quotes,
        clock: Clock,
    ) -> None:
        self._book, self._placing, self._store = book, placing, store
        self._instruments, self._clock = instruments, clock
        self._risk, self._depths, self._routes = risk, depths, routes
        self._plans, self._rounds, self._quotes = plans, rounds, quotes

    async def preview(self, terms: OrderTerms) -> Preview:
        """Returns what would become of an order now."""
        terms = self._placing.as_held(terms)
        as_of = self._book.sequence
        allowed, found, route = await asyncio.gather(
            _or_error(self._check_rules(terms)),
            _or_error(self._find(terms)),
            _or_error(self._routes.route(terms)),
        )
        risk: tuple[Decision, int] | CodedError
        cost: Cost | CodedError
        if isinstance(allowed, CodedError):
            risk = cost = allowed
        else:
            risk, cost = await asyncio.gather(_or_error(self._risk.check(terms)), _or_error(self._cost(terms)))
        free = None if isinstance(found, CodedError) else not found
        outcome = self._outcome(terms, found, allowed, risk)
        schedule: Planned | CodedError | None = None
        if terms.instructions is not None and (algorithm := terms.instructions.algorithm) is not None:
            schedule = allowed or await _or_error(self._schedule(terms, algorithm))
        return Preview(terms, outcome, free=free, risk=risk, cost=cost, route=route, as_of=as_of, schedule=schedule)

    async def _check_rules(self, terms: OrderTerms) -> None:
        instrument = self._instruments.known(terms.instrument) or await self._instruments.find(terms.instrument)
        if instrument is None:
            raise rules.unknown_instrument(terms.instrument)
        rules.check(terms, instrument, self._clock.now_ns())

    async def _find(self, terms: OrderTerms) -> tuple[Outcome, ...]:
        """Returns what a client order id that is taken is answered with; nothing when it is free."""
        key = (terms.account_id, terms.client_order_id)
        if (pending := self._placing.pending(key)) is not None:
            return (refusals.outcome(place(pending, 0, 0).order, terms),)
        order = self._book.find(key) or (await self._store.find([key])).get(key)
        return () if order is None else (refusals.outcome(order, terms),)

    async def _schedule(self, terms: OrderTerms, algorithm: Algorithm) -> Planned:
        instrument = await self._instruments.find(terms.instrument)
        if instrument is None:
            raise rules.unknown_instrument(terms.instrument)
        if isinstance(algorithm.strategy, SmartRouting):
            return Planned((), await self._rounds.plan(terms, algorithm.strategy, terms.quantity))
        start_ns = algorithm.begins_at_ns(self._clock.now_ns())
        if (plan := await self._plans.plan(algorithm, instrument, start_ns)) is not None:
            algorithm = algorithm.planned(plan)
        return planned(terms, algorithm, instrument, start_ns)

    async def _cost(self, terms: OrderTerms) -> Cost:
        depth = await self._depths.depth(terms.instrument)
        try:
            return estimate(as_met(terms, self._last(terms)), depth, self._book.live_of(terms.account_id).values())
        except BeyondDepthError:
            text = f"the order reaches beyond the {depth.most_levels} best levels of the book; no more are told"
            raise precondition("NO_MARKET_DATA", text, instrument=terms.instrument) from None

    def _last(self, terms: OrderTerms) -> Decimal | None:
        quote = self._quotes.quote(terms.instrument)
        return None if quote is None or quote.stale else quote.last

    def _outcome(
        self,
        terms: OrderTerms,
        found: tuple[Outcome, ...] | CodedError,
        allowed: CodedError | None,
        risk: tuple[Decision, int] | CodedError,
    ) -> Outcome:
        """Returns what placing would answer, looked for in the order in which placing finds it out."""
        try:
            self._placing.check_room(1)
        except CodedError as error:
            return error
        if isinstance(found, CodedError):
            return found
        if found:
            return found[0]
        return allowed or _decided(terms, risk)


def _decided(terms: OrderTerms, risk: tuple[Decision, int] | CodedError) -> Outcome:
    if isinstance(risk, CodedError):
        return risk
    decision, _ = risk
    if not decision.reason:
        return place(terms, 0, 0).order
    if decision.reason == refusals.RISK_UNAVAILABLE:
        return refusals.risk_unavailable(decision.text)
    return refuse(terms, 0, 0, reason=decision.reason, text=decision.text, breach=decision.breach).order


async def _or_error(part: Awaitable[T]) -> T | CodedError:
    """Returns a part of the answer, or why it cannot be told."""
    try:
        return await part
    except CodedError as error:
        return error
