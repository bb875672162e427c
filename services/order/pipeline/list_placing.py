"""The way in of a list of orders: all of them or none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from typing import NamedTuple, Protocol

from services.kernel.clock import Clock
from services.kernel.errors import CodedError, FieldViolation, invalid
from services.kernel.identifiers import Identifiers
from services.order.domain import refusals, rules
from services.order.domain.order import Order
from services.order.domain.order_lists import ListRecord, OrderList, check_list, link
from services.order.domain.terms import OrderTerms
from services.order.pipeline.acting import Acting
from services.order.pipeline.book import Key
from services.order.pipeline.entries import Draft
from services.order.pipeline.placing import PlaceOrders, Placing
from services.order.pipeline.ports import Instruments, Store
from services.order.pipeline.replacing import RefusedByRiskError
from services.order.pipeline.tickets import Placement
from services.order.pipeline.work import CancelFilter
from services.order.pipeline.writer import Writer


class ListStore(Protocol):
    """Remembers lists for ever. Each method raises STORE_UNAVAILABLE."""

    async def find(self, account_id: str, client_order_list_id: str) -> ListRecord | None:
        """Returns the list of a client order list id; None when there is none."""
        ...

    async def get(self, order_list_id: str) -> ListRecord | None:
        """Returns a list; None when there is none."""
        ...

    async def orders(self, order_list_ids: Sequence[str]) -> Mapping[str, Sequence[Order]]:
        """Returns the orders of lists, in the order in which they were given."""
        ...


class MassCancel(Protocol):
    """Cancels orders."""

    async def cancel_all(self, wanted: CancelFilter) -> list[str]:
        """Asks for the cancel of live orders of an account.

        Raises:
            CodedError: STORE_UNAVAILABLE or OVERLOADED.
        """
        ...


class _Running(NamedTuple):
    fingerprints: list[bytes]
    task: asyncio.Task[OrderList]


class OrderLists:
    """Places lists, tells them and cancels them."""

    def __init__(
        self,
        placing: Placing,
        writer: Writer,
        store: Store,
        lists: ListStore,
        cancel: MassCancel,
        *,
        instruments: Instruments,
        clock: Clock,
    ) -> None:
        self._placing, self._writer, self._store, self._lists = placing, writer, store, lists
        self._cancel, self._instruments, self._clock = cancel, instruments, clock
        self._running: dict[Key, _Running] = {}

    async def place(self, record: ListRecord, orders: Sequence[OrderTerms]) -> OrderList:
        """Places a list, and returns it once it is committed.

        Raises:
            CodedError: ORDER_LIST_MISMATCH, those of `rules.check`, DUPLICATE_CLIENT_ORDER_LIST_ID,
                DUPLICATE_CLIENT_ORDER_ID, UNKNOWN_ACCOUNT, RISK_UNAVAILABLE, STORE_UNAVAILABLE, SERVICE_UNAVAILABLE
                or OVERLOADED. Nothing is kept then.
            RefusedByRiskError: Risk does not allow one of the orders. Nothing is kept.
        """
        check_list(record.contingency_type, orders)
        linked = link(record, orders)
        fingerprints = [terms.fingerprint for terms in linked]
        key = (record.account_id, record.client_order_list_id)
        if (running := self._running.get(key)) is None:
            # A task of its own: what is on its way in is not left half done by a caller that goes away.
            running = _Running(fingerprints, Acting().begin(self._carry_out(record, linked), name="order list"))
            self._running[key] = running
            running.task.add_done_callback(lambda task: self._done(key, task))
        elif running.fingerprints != fingerprints:
            raise refusals.duplicate_list(record.client_order_list_id, record.account_id)
        return await asyncio.shield(running.task)

    async def get(self, order_list_id: str) -> OrderList:
        """Returns a list as it stands.

        Raises:
            CodedError: UNKNOWN_ORDER_LIST or STORE_UNAVAILABLE.
        """
        record = await self._lists.get(order_list_id)
        if record is None:
            raise refusals.unknown_list(order_list_id)
        return await self._told(record)

    async def cancel(self, order_list_id: str) -> OrderList:
        """Asks for the cancel of the live orders of a list, and returns it once that is committed.

        Raises:
            CodedError: UNKNOWN_ORDER_LIST, STORE_UNAVAILABLE or OVERLOADED.
        """
        record = (await self.get(order_list_id)).record
        await self._cancel.cancel_all(CancelFilter(record.account_id, order_list_id=order_list_id))
        return await self._told(record)

    async def _told(self, record: ListRecord) -> OrderList:
        orders = await self._lists.orders([record.order_list_id])
        return OrderList(record, orders.get(record.order_list_id, ()))

    def _done(self, key: Key, task: asyncio.Task[OrderList]) -> None:
        del self._running[key]
        if not task.cancelled():
            # Looked at, lest an error whose callers have all gone away is told as forgotten.
            task.exception()

    async def _carry_out(self, record: ListRecord, orders: Sequence[OrderTerms]) -> OrderList:
        if (existing := await self._lists.find(record.account_id, record.client_order_list_id)) is not None:
            return await self._again(existing, orders)
        self._placing.check_room(len(orders))
        await self._check(orders)
        ticket, placements = self._placing.begin_together(orders)
        try:
            await self._decide(placements)
        except (CodedError, RefusedByRiskError):
            for placement in placements:
                self._placing.done(placement)
            raise
        self._writer.put(PlaceList(self._placing, placements, record))
        outcomes = await ticket.wait()
        placed = [outcome for outcome in outcomes if isinstance(outcome, Order)]
        for outcome in outcomes:
            if isinstance(outcome, CodedError):
                raise outcome
        return OrderList(changed(record, created_at_ns=placed[0].created_at_ns), placed)

    async def _again(self, record: ListRecord, orders: Sequence[OrderTerms]) -> OrderList:
        """Returns the list that a repeated request has made."""
        told = await self._told(record)
        if [order.terms.fingerprint for order in told.orders] != [terms.fingerprint for terms in orders]:
            raise refusals.duplicate_list(record.client_order_list_id, record.account_id)
        return told

    async def _check(self, orders: Sequence[OrderTerms]) -> None:
        existing = await self._store.find([(terms.account_id, terms.client_order_id) for terms in orders])
        for terms in orders:
            if (order := existing.get((terms.account_id, terms.client_order_id))) is not None:
                raise refusals.duplicate(terms, order.terms.order_id)
        for index, terms in enumerate(orders):
            instrument = await self._instruments.find(terms.instrument)
            if instrument is None:
                raise _of_order(index, rules.unknown_instrument(terms.instrument))
            try:
                rules.check(terms, instrument, self._clock.now_ns())
            except CodedError as error:
                raise _of_order(index, error) from None

    async def _decide(self, placements: Sequence[Placement]) -> None:
        decisions = await self._placing.decide([placement.terms for placement in placements])
        for placement, decision in zip(placements, decisions, strict=True):
            placement.decision = decision
        refused = next((decision for decision in decisions if decision.reason), None)
        if refused is None:
            return
        self._placing.release(placements)
        if refused.reason in refusals.UNSTORED:
            raise refusals.unstored(refused.reason, refused.text)
        raise RefusedByRiskError(refused)


class PlaceList(PlaceOrders):
    """The orders of a list, which risk has accepted."""

    def __init__(self, placing: Placing, batch: list[Placement], record: ListRecord) -> None:
        super().__init__(placing, batch)
        self._record = record

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Begins the list and each of its orders."""
        super().prepare(draft, identifiers)
        draft.lists.append(self._record)

    def resolve(self, existing: Mapping[Key, Order]) -> None:
        """Drops the whole list when one of its client order ids is taken."""
        taken = next((placement for placement in self._batch if placement.key in existing), None)
        if taken is None:
            return
        self._placing.release(self._batch)
        error = refusals.duplicate(taken.terms, existing[taken.key].terms.order_id)
        self._placing.fail(self._batch, error)
        self._batch = []


def _of_order(index: int, error: CodedError) -> CodedError:
    """Returns an error with the place of the order in the list before each field that it names."""
    if not error.violations:
        return error
    violations = [FieldViolation(f"orders[{index}].{each.field}", each.description) for each in error.violations]
    return invalid(error.reason, f"orders[{index}].{error.message}", *violations)
