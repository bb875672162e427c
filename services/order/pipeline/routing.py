"""Works orders that are routed: decides, has rounds planned, and sends what was planned once it is in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from services.kernel.clock import Clock
from services.kernel.drain import Drain
from services.kernel.errors import CodedError
from services.kernel.identifiers import Identifiers
from services.order.domain.algorithms.deciding import LOOK_AGAIN_NS, Child
from services.order.domain.algorithms.routing_decisions import RoutingDecision, RoutingSituation, decide_routing
from services.order.domain.algorithms.routing_record import RoutingRecord
from services.order.domain.algorithms.routing_terms import PlannedRoute, SmartRouting
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderStatus, OrderType, Side, TimeInForce
from services.order.pipeline.algorithm_runs import GAVE_UP, Run
from services.order.pipeline.algorithm_work import AlgorithmWork
from services.order.pipeline.beginning import NO_ROOM
from services.order.pipeline.ports import Quotes
from services.order.pipeline.route_planning import RoutePlanner
from services.order.pipeline.writer import Writer

_log = structlog.stdlib.get_logger(__name__)

_MOST_AT_A_TIME: Final = 32
_WORKING: Final = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class Round(NamedTuple):
    """A round that is to be planned."""

    run: Run
    parent: Order
    decision: RoutingDecision


class Router:
    """Decides on routed orders. What it waits for is fetched by `plan_rounds`, a task of its own.

    A plan is committed before its children are sent, and its children are sent by the process that made it: after a
    restart, what is left of the order is planned anew. So nothing is sent twice, whatever was sent before.
    """

    def __init__(
        self,
        planner: RoutePlanner,
        writer: Writer,
        *,
        record: RoutingRecord,
        quotes: Quotes,
        clock: Clock,
        identifiers: Identifiers,
    ) -> None:
        self._planner, self._writer, self._record, self._quotes = planner, writer, record, quotes
        self._clock, self._identifiers = clock, identifiers
        self.waiting: Drain[Round] = Drain()

    def decide(
        self, run: Run, parent: Order, members: Mapping[str, Order], now_ns: int, work: AlgorithmWork
    ) -> tuple[Sequence[OrderTerms], int]:
        """Decides on one order: adds its changes to the work; returns children to be sent, and when to look again."""
        strategy = run.algorithm.strategy
        assert isinstance(strategy, SmartRouting)  # noqa: S101 - for the type checker
        routes, run.routes = run.routes, ()
        if routes and parent.status in _WORKING and now_ns < run.algorithm.end_at_ns:
            return [self._child(run, parent, route, now_ns) for route in routes], now_ns + LOOK_AGAIN_NS
        decision = decide_routing(strategy, self._situation(run, parent, members, strategy, now_ns))
        work.cancel += decision.cancel
        if ends := decision.ends or ((GAVE_UP, run.gives_up) if run.gives_up else None):
            work.end[run.parent_order_id] = ends
        elif decision.plan:
            run.preparing = True
            self.waiting.put(Round(run, parent, decision))
        return (), decision.next_at_ns

    def heard(self, event: OrderEvent, now_ns: int) -> None:
        """Takes note of what happened to a child."""
        if event.reason != NO_ROOM:
            self._record.heard(event, now_ns)

    async def plan(self, rounds: Sequence[Round]) -> None:
        """Plans rounds side by side; what cannot be planned now is decided on anew."""
        await asyncio.gather(*(self._plan(each) for each in rounds))

    async def next_rounds(self) -> Sequence[Round]:
        """Waits for rounds that are to be planned."""
        return await self.waiting.take(_MOST_AT_A_TIME)

    def _situation(
        self, run: Run, parent: Order, members: Mapping[str, Order], strategy: SmartRouting, now_ns: int
    ) -> RoutingSituation:
        children = [order for order in members.values() if order.terms.parent_order_id]
        offered = bool(children) and self._offered(parent, strategy)
        return RoutingSituation(parent, children, run.algorithm, run.start_ns, offered, now_ns, run.not_before_ns)

    def _offered(self, parent: Order, strategy: SmartRouting) -> bool:
        """Tells whether any listing offers something within the limit of an order."""
        limit, side = parent.terms.limit_price, parent.terms.side
        for listing in self._planner.allowed(parent.terms, strategy):
            quote = self._quotes.quote(listing.name)
            touch = None if quote is None or quote.stale else quote.touch(side)
            if touch is not None and (limit is None or (touch <= limit if side is Side.BUY else touch >= limit)):
                return True
        return False

    def _child(self, run: Run, parent: Order, route: PlannedRoute, now_ns: int) -> OrderTerms:
        lives = TimeInForce.DAY if route.rests else TimeInForce.IOC
        child = Child(route.quantity, OrderType.LIMIT, lives, route.limit_price)
        return run.child_terms(
            parent,
            child,
            self._identifiers.new_id(),
            now_ns,
            instrument=route.instrument,
            connection_id=route.connection_id,
        )

    async def _plan(self, asked: Round) -> None:
        run, parent, decision = asked
        strategy = run.algorithm.strategy
        assert isinstance(strategy, SmartRouting)  # noqa: S101 - for the type checker
        try:
            plan = await self._planner.plan(
                parent.terms, strategy, decision.plan, rounds=run.algorithm.rounds, takes=decision.takes
            )
        except CodedError as error:
            self._waits(run, str(error))
            return
        if plan.routing is None or not plan.routing.routes:
            self._waits(run, "no listing offers anything within its limit")
            return
        work = AlgorithmWork(plans={run.parent_order_id: plan})
        self._writer.put(work)
        await work.done.wait()
        # A plan that was not committed, or that another state of the order has overtaken, is not carried out.
        if run.algorithm.plan is plan:
            run.routes, run.waiting = plan.routing.routes, ""

    def _waits(self, run: Run, why: str) -> None:
        run.not_before_ns = self._clock.now_ns() + LOOK_AGAIN_NS
        if why != run.waiting:
            _log.info("an order that is routed waits", order_id=run.parent_order_id, reason=why)
        run.waiting = why
