"""Fetches what an order needs before it can be worked: the number of its newest child, and its plan."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from services.kernel.clock import Clock
from services.kernel.errors import CodedError
from services.order.domain.algorithms.terms import SECOND_NS
from services.order.pipeline.algorithm_plans import AlgorithmPlans
from services.order.pipeline.algorithm_runs import Run
from services.order.pipeline.algorithm_work import AlgorithmWork
from services.order.pipeline.algorithms import Algorithms
from services.order.pipeline.ports import Instruments
from services.order.pipeline.queries import Lists, OrderFilter
from services.order.pipeline.writer import Writer

_log = structlog.stdlib.get_logger(__name__)

_AGAIN_NS: Final = SECOND_NS
_MOST_AT_A_TIME: Final = 32
_LOOKED_THROUGH: Final = 100
"""Newest children among which the highest number is looked for: they may have come in another order than they began."""


class AlgorithmPreparing:
    """The task beside that of the algorithms: what it waits for holds no other order up."""

    def __init__(
        self,
        algorithms: Algorithms,
        plans: AlgorithmPlans,
        lists: Lists,
        writer: Writer,
        *,
        instruments: Instruments,
        clock: Clock,
    ) -> None:
        self._algorithms, self._plans, self._lists, self._writer = algorithms, plans, lists, writer
        self._instruments, self._clock = instruments, clock

    async def run(self) -> None:
        """Prepares for ever."""
        while True:
            runs = await self._algorithms.waiting.take(_MOST_AT_A_TIME)
            # Side by side: after a restart all of them wait, each for an answer or two.
            await asyncio.gather(*map(self.prepare, runs))

    async def prepare(self, run: Run) -> None:
        """Fetches what an order lacks; what cannot be had now is asked for again."""
        at_ns = self._clock.now_ns()
        try:
            await self._fetch(run, at_ns)
        except CodedError as error:
            _log.warning("an order cannot be worked yet", order_id=run.parent_order_id, error=str(error))
        if not run.ready(at_ns):
            at_ns += _AGAIN_NS
        run.preparing = False
        self._algorithms.look(run, at_ns)

    async def _fetch(self, run: Run, now_ns: int) -> None:
        if run.number is None:
            run.number = await self._newest_number(run.parent_order_id)
        if not run.algorithm.needs_plan or now_ns < run.start_ns:
            return
        instrument = await self._instruments.find(run.instrument)
        plan = None if instrument is None else await self._plans.plan(run.algorithm, instrument, run.start_ns)
        if plan is not None:
            work = AlgorithmWork(plans={run.parent_order_id: plan})
            self._writer.put(work)
            await work.done.wait()

    async def _newest_number(self, parent_order_id: str) -> int:
        children = await self._lists.orders(OrderFilter(parent_order_id=parent_order_id), None, _LOOKED_THROUGH)
        numbers = (order.terms.client_order_id.rpartition("-")[2] for order in children)
        return max((int(number) for number in numbers if number.isdecimal()), default=0)
