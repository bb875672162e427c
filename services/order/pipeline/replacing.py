"""The way of a replace: known already, allowed, checked by risk; then it is the writer's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace as changed
from typing import NamedTuple

from services.kernel.clock import Clock
from services.kernel.drain import Drain
from services.kernel.errors import CodedError
from services.kernel.identifiers import Identifiers
from services.order.domain import refusals, rules
from services.order.domain.events import request_replace
from services.order.domain.instruction_rules import check_new_expiry, check_new_stop_price, check_new_trailing
from services.order.domain.links import ListRole
from services.order.domain.order import Order
from services.order.domain.replacing import ReplaceRequest, asked_terms, only_reduces, stop_price_of
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderStatus
from services.order.pipeline.acting import Acting
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.pipeline.orders import Orders
from services.order.pipeline.ports import Decision, Instruments, ReplaceRisk, ReplaceStore
from services.order.pipeline.work import Caller
from services.order.pipeline.writer import Writer


class RefusedByRiskError(Exception):
    """Risk does not allow the new terms. Nothing of the replace is stored, and the order is what it was.

    Attributes:
        decision: What risk says.
    """

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.text)
        self.decision = decision


class _Running(NamedTuple):
    request: ReplaceRequest
    task: asyncio.Task[Order]


class _Check(NamedTuple):
    """A replace that waits for risk."""

    request: ReplaceRequest
    decided: asyncio.Future[Decision]


class Replacing:
    """Takes replaces in. `replace` is for callers, `run` is the stage that asks risk, a batch at a time.

    Replaces of one order go one after the other: so there is one hold of risk at most for each, and the terms that were
    checked are those that the order still has when its replace is committed.
    """

    def __init__(
        self,
        book: Book,
        writer: Writer,
        orders: Orders,
        store: ReplaceStore,
        *,
        risk: ReplaceRisk,
        instruments: Instruments,
        clock: Clock,
        most_per_batch: int = 512,
        most_waiting: int = 20_000,
    ) -> None:
        self._book, self._writer, self._orders, self._store = book, writer, orders, store
        self._risk, self._instruments, self._clock = risk, instruments, clock
        self._most_per_batch, self._most_waiting = most_per_batch, most_waiting
        self._running: dict[str, _Running] = {}
        self._waiting: Drain[_Check] = Drain()

    async def replace(self, request: ReplaceRequest) -> Order:
        """Asks the venue for new terms of an order, and returns it once the request is committed.

        A request that was committed before is answered with the order as it stands.

        Raises:
            CodedError: UNKNOWN_ORDER, ORDER_NOT_LIVE, DUPLICATE_REPLACE_ID, VERSION_MISMATCH, CHANGE_PENDING, those of
                `rules.check_terms`, INSTRUMENT_NOT_TRADING, RISK_UNAVAILABLE, STORE_UNAVAILABLE, SERVICE_UNAVAILABLE
                or OVERLOADED.
            RefusedByRiskError: Risk does not allow it.
        """
        while (running := self._running.get(request.order_id)) is not None:
            if running.request.replace_id == request.replace_id:
                if running.request.asked != request.asked:
                    raise refusals.duplicate_replace(request)
                return await asyncio.shield(running.task)
            await asyncio.wait({running.task})
        if len(self._running) >= self._most_waiting:
            raise refusals.overloaded(len(self._running))
        # A task of its own: a caller that goes away must not leave others of the same request without an answer.
        task = Acting().begin(self._carry_out(request), name="replace")
        self._running[request.order_id] = _Running(request, task)
        task.add_done_callback(lambda ended: self._done(request.order_id, ended))
        return await asyncio.shield(task)

    async def run(self) -> None:
        """Asks risk, batch after batch, for ever."""
        while True:
            batch = await self._waiting.take(self._most_per_batch)
            await self._ask([check for check in batch if not check.decided.done()])

    def _done(self, order_id: str, task: asyncio.Task[Order]) -> None:
        del self._running[order_id]
        if not task.cancelled():
            # Looked at, lest an error whose callers have all gone away is told as forgotten.
            task.exception()

    async def _carry_out(self, request: ReplaceRequest) -> Order:
        order, _ = await self._orders.get(request.order_id)
        if await self._known(order, request):
            return (await self._orders.get(request.order_id))[0]
        check(order, request)
        self._writer.check_available()
        request = await self._check_rules(order.terms, request)
        work = ReplaceOrder(request)
        if not only_reduces(request, order.terms):
            await self._reserve(request)
            work.release = lambda: self._risk.release_replaces((request.order_id,))
        self._writer.put(work)
        await work.future
        if work.refusal is not None:
            raise work.refusal
        if work.order is None:
            raise refusals.not_live((await self._orders.get(request.order_id))[0])
        return work.order

    async def _known(self, order: Order, request: ReplaceRequest) -> bool:
        """Tells whether a request was committed before; only an order that was ever replaced is looked up."""
        replace = order.replace
        if replace is not None and replace.replace_id != request.replace_id:
            replace = await self._store.replace(request.order_id, request.replace_id)
        if replace is None:
            return False
        if not replace.asks_for(request):
            raise refusals.duplicate_replace(request)
        return True

    async def _check_rules(self, terms: OrderTerms, request: ReplaceRequest) -> ReplaceRequest:
        """Refuses what is not allowed; returns the request with what the instrument decides of it."""
        instrument = await self._instruments.find(terms.instrument)
        if instrument is None:
            raise rules.unknown_instrument(terms.instrument)
        if request.trailing is not None:
            request = changed(request, tick_size=instrument.tick_size)
        check_conditions(terms, request)
        check_new_expiry(terms, request.expire_at_ns, self._clock.now_ns())
        rules.check_terms(asked_terms(request, terms), instrument)
        # One that only takes away is let through while the instrument does not trade, as a cancel is.
        if not (only_reduces(request, terms) or instrument.trades_at(self._clock.now_ns())):
            raise rules.not_trading(instrument)
        return request

    async def _reserve(self, request: ReplaceRequest) -> None:
        check = _Check(request, asyncio.get_running_loop().create_future())
        self._waiting.put(check)
        decision = await check.decided
        if decision.reason == refusals.RISK_UNAVAILABLE:
            raise refusals.risk_unavailable(decision.text)
        if decision.reason:
            raise RefusedByRiskError(decision)

    async def _ask(self, batch: Sequence[_Check]) -> None:
        checked: list[_Check] = []
        replaces: list[tuple[Order, OrderTerms]] = []
        for check in batch:
            # As it stands at this very moment: fills from here on reach risk after the question, and count against it.
            order = self._book.live.get(check.request.order_id)
            if order is None:
                check.decided.set_result(Decision())
                continue
            checked.append(check)
            replaces.append((order, asked_terms(check.request, order.terms)))
        if not replaces:
            return
        try:
            decisions = await self._risk.reserve_replaces(replaces)
        except CodedError as error:
            for check in checked:
                if not check.decided.done():
                    check.decided.set_exception(error)
            return
        for check, decision in zip(checked, decisions, strict=True):
            if not check.decided.done():
                check.decided.set_result(decision)


def check(order: Order, request: ReplaceRequest) -> None:
    """Refuses a replace that the order's state does not allow.

    Raises:
        CodedError: ORDER_NOT_LIVE, PARENT_ORDER_MISMATCH, VERSION_MISMATCH, CHANGE_PENDING or QUANTITY_FOLLOWS_LIST.
    """
    if not order.live:
        raise refusals.not_live(order)
    if order.terms.parent_order_id:
        raise refusals.child_of_another(order)
    if request.expected_version not in (0, order.version):
        raise refusals.version_mismatch(order, request.expected_version)
    if order.status in (OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE):
        raise refusals.change_pending(order)
    if request.quantity is not None and order.terms.role in (ListRole.LEG, ListRole.EXIT):
        raise refusals.follows_list(order)


def check_conditions(terms: OrderTerms, request: ReplaceRequest) -> None:
    """Refuses to change what an order waits for once it has been released.

    Raises:
        CodedError: STOP_PRICE_MISMATCH or TRAILING_STOP_MISMATCH.
    """
    if request.stop_price not in (None, stop_price_of(terms)):
        check_new_stop_price(terms)
    if request.trailing is not None:
        check_new_trailing(terms)


class ReplaceOrder(Caller):
    """A request to replace one order.

    Attributes:
        order: The order afterwards; None when it was refused, or had ended and left memory.
        refusal: Why it was refused: the order has moved on since it was checked.
        release: Lets go of what risk holds for the new terms.
    """

    weight = 1

    def __init__(self, request: ReplaceRequest) -> None:
        super().__init__()
        self._request = request
        self.release: Callable[[], None] = lambda: None
        self.order: Order | None = None
        self.refusal: CodedError | None = None

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Asks for the replace, unless the order has moved on."""
        self.order = self.refusal = None
        order = draft.order(self._request.order_id)
        if order is None:
            return
        try:
            check(order, self._request)
            check_conditions(order.terms, self._request)
        except CodedError as refusal:
            self.refusal = refusal
            return
        event = request_replace(order, self._request, draft.next_sequence, draft.at_ns)
        if event is not None:
            entry = draft.append(event, identifiers.new_id())
            entry.who, self.order = self._who, entry.order

    def committed(self) -> None:
        """Lets the caller look at the result."""
        if self.order is None:
            self.release()
        super().committed()

    def abandoned(self) -> None:
        """Lets the hold on the new terms go."""
        self.release()
