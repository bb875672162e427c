"""Works orders over time: one task for all of them, woken by the clock and by what is committed.

What is to be done is decided from how parent and children stand, never from what was done before. So a decision that
was lost is made again, one that was carried out is not repeated, and a restart needs nothing but the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from services.kernel.clock import Clock
from services.kernel.drain import Drain, Wakeup
from services.kernel.errors import CodedError
from services.kernel.identifiers import Identifiers
from services.order.domain.algorithms.deciding import decide
from services.order.domain.algorithms.pricing import Market
from services.order.domain.algorithms.routing_terms import SmartRouting
from services.order.domain.algorithms.terms import SECOND_NS, Algorithm
from services.order.domain.family import OUT_OF_TIME
from services.order.domain.instruments import Instrument
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.pipeline.agenda import Agenda
from services.order.pipeline.algorithm_runs import GAVE_UP, Run
from services.order.pipeline.algorithm_work import AlgorithmWork
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.pipeline.placing import Placing
from services.order.pipeline.ports import Instruments, MarketVolumes, Quotes
from services.order.pipeline.routing import Round, Router
from services.order.pipeline.tickets import Outcome
from services.order.pipeline.writer import Writer

_log = structlog.stdlib.get_logger(__name__)

_LATER_NS: Final = SECOND_NS // 2
_MOST_AT_A_TIME: Final = 100
"""Orders that are decided on together. All that are due at one moment could be more children than are taken in at once:
then none would be, now and at every later attempt."""
_NOT_NOW: Final = frozenset(
    {
        "DUPLICATE_CLIENT_ORDER_ID",
        "INSTRUMENT_NOT_TRADING",
        "OVERLOADED",
        "RISK_UNAVAILABLE",
        "SERVICE_UNAVAILABLE",
        "STORE_UNAVAILABLE",
    }
)
"""Errors that say nothing of the child itself: it is sent again later, under the next number."""


class Algorithms:
    """Works orders; also a listener of the writer. `run` is the task, `waiting` what is still to be prepared."""

    def __init__(
        self,
        book: Book,
        writer: Writer,
        placing: Placing,
        *,
        instruments: Instruments,
        quotes: Quotes,
        volumes: MarketVolumes,
        router: Router,
        clock: Clock,
        identifiers: Identifiers,
    ) -> None:
        self._router = router
        self._book, self._writer, self._placing = book, writer, placing
        self._instruments, self._quotes, self._volumes = instruments, quotes, volumes
        self._clock, self._identifiers = clock, identifiers
        self._runs: dict[str, Run] = {}
        self._agenda = Agenda()
        self._wakeup = Wakeup()
        self.waiting: Drain[Run] = Drain()

    def __len__(self) -> int:
        return len(self._runs)

    def start(self) -> None:
        """Takes over the orders that the log says are being worked."""
        now_ns = self._clock.now_ns()
        for group_id in self._book.groups:
            if (parent := self._book.live.get(group_id)) is not None:
                self._take(parent, now_ns, begins=False)

    def committed(self, draft: Draft) -> None:
        """Looks again at orders that have changed, or whose children have."""
        if not draft.grouped:
            return
        now_ns = self._clock.now_ns()
        for entry in draft.grouped:
            order = entry.order
            if not (parent_order_id := order.terms.parent_order_id):
                self._take(order, now_ns, begins=order.version == 1)
            elif (run := self._runs.get(parent_order_id)) is not None:
                run.heard(entry.event, now_ns)
                self._router.heard(entry.event, now_ns)
                self.look(run, now_ns)

    def look(self, run: Run, at_ns: int) -> None:
        """Has an order decided on at a time, or earlier if that was asked for before, unless it has ended."""
        if self._runs.get(run.parent_order_id) is not run:
            return
        due_ns = self._agenda.due_ns(run.parent_order_id)
        if due_ns is None or at_ns < due_ns:
            self._agenda.put(run.parent_order_id, at_ns)
            self._wakeup.call()

    async def plan_rounds(self) -> None:
        """Plans the rounds of routed orders for ever."""
        while True:
            await self.plan(await self._router.next_rounds())

    async def plan(self, rounds: Sequence[Round]) -> None:
        """Plans rounds, and has their orders decided on again."""
        await self._router.plan(rounds)
        for each in rounds:
            each.run.preparing = False
            self.look(each.run, self._clock.now_ns())

    async def run(self) -> None:
        """Decides for ever."""
        while True:
            await self.step()
            next_ns = self._agenda.next_ns
            await self._wakeup.wait(None if next_ns is None else max(0.0, (next_ns - self._clock.now_ns()) / SECOND_NS))

    async def step(self) -> None:
        """Decides on some of what is due now, and returns once the children that it sends are committed or refused."""
        now_ns, work = self._clock.now_ns(), AlgorithmWork()
        due = [self._runs[order_id] for order_id in self._agenda.take(now_ns, _MOST_AT_A_TIME)]
        decided = [(run, self._decide(run, now_ns, work)) for run in due]
        children = [(run, terms) for run, each in decided for terms in each]
        if work:
            self._writer.put(work)
        if children:
            outcomes = await self._send([terms for _, terms in children])
            for (run, _), outcome in zip(children, outcomes, strict=True):
                self._sent(run, outcome)

    def _take(self, parent: Order, now_ns: int, *, begins: bool) -> None:
        algorithm = algorithm_of(parent)
        if algorithm is None:
            return
        order_id = parent.terms.order_id
        run = self._runs.get(order_id)
        if not parent.live:
            if run is not None:
                self._drop(run)
            return
        if run is None:
            run = self._runs[order_id] = Run(parent, algorithm, begins=begins)
        run.take(algorithm)
        self.look(run, now_ns)

    def _drop(self, run: Run) -> None:
        del self._runs[run.parent_order_id]
        self._agenda.drop(run.parent_order_id)
        if run.watching:
            self._volumes.unwatch(run.instrument, run.start_ns)

    def _decide(self, run: Run, now_ns: int, work: AlgorithmWork) -> Sequence[OrderTerms]:
        """Decides on one order: adds its changes to the work, and returns the children to be sent."""
        parent = self._book.live.get(run.parent_order_id)
        if parent is None or run.preparing:
            return ()
        instrument = self._instruments.known(run.instrument)
        if not run.ready(now_ns) and now_ns < run.algorithm.end_at_ns:
            run.preparing = True
            self.waiting.put(run)
        elif instrument is None or not self._writer.available:
            self.look(run, now_ns + _LATER_NS)
        elif isinstance(run.algorithm.strategy, SmartRouting):
            members = self._book.group(run.parent_order_id)
            children, next_at_ns = self._router.decide(run, parent, members, now_ns, work)
            self.look(run, next_at_ns)
            return children
        else:
            return self._by_schedule(run, parent, instrument, now_ns, work)
        return ()

    def _by_schedule(
        self, run: Run, parent: Order, instrument: Instrument, now_ns: int, work: AlgorithmWork
    ) -> Sequence[OrderTerms]:
        self._watch(run, now_ns)
        volume = self._volumes.volume(run.instrument, run.start_ns) if run.watching else None
        market = Market(self._quotes.quote(run.instrument), volume, instrument.trades_at(now_ns))
        members = self._book.group(run.parent_order_id)
        decision = decide(run.situation(parent, members, instrument, market, now_ns))
        self._tell(run, decision.waiting)
        self.look(run, decision.next_at_ns)
        work.cancel += decision.cancel
        if decision.ends:
            work.end[run.parent_order_id] = (OUT_OF_TIME, "its end time has come")
        elif run.gives_up:
            work.end[run.parent_order_id] = (GAVE_UP, run.gives_up)
        elif decision.send is not None:
            return (run.child_terms(parent, decision.send, self._identifiers.new_id(), now_ns),)
        return ()

    def _watch(self, run: Run, now_ns: int) -> None:
        if run.algorithm.needs_volume and not run.watching and now_ns >= run.start_ns:
            run.watching = True
            self._volumes.watch(run.instrument, run.start_ns)

    def _tell(self, run: Run, waiting: str) -> None:
        if waiting and waiting != run.waiting:
            _log.info("an order that is worked waits", order_id=run.parent_order_id, reason=waiting)
        run.waiting = waiting

    async def _send(self, children: Sequence[OrderTerms]) -> Sequence[Outcome]:
        try:
            return await self._placing.place(children)
        except CodedError as error:
            return [error] * len(children)

    def _sent(self, run: Run, outcome: Outcome) -> None:
        """Takes note of what could not be placed; what was is heard of as it is committed."""
        if not isinstance(outcome, CodedError):
            return
        now_ns = self._clock.now_ns()
        if outcome.reason in _NOT_NOW:
            run.not_before_ns = now_ns + _LATER_NS
        else:
            run.refused(f"{outcome.reason}: {outcome.message}", now_ns)
        self.look(run, run.not_before_ns)


def algorithm_of(order: Order) -> Algorithm | None:
    """Returns how an order is worked; None for one without an algorithm."""
    instructions = order.terms.instructions
    return None if instructions is None else instructions.algorithm
