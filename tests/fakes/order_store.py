"""OrderService's store and peers as plain objects that a test can break at any point."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from services.kernel.errors import CodedError
from services.order.domain import refusals
from services.order.domain.instruments import Instrument
from services.order.domain.order import Order
from services.order.domain.order_lists import ListRecord
from services.order.domain.order_trades import Executions, OrderHistory
from services.order.domain.replacing import Replace
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType
from services.order.pipeline.book import Book, Key
from services.order.pipeline.entries import Draft, Entry, take_in
from services.order.pipeline.ports import ACCEPTED, Decision, DuplicateKeyError, InDoubtError, NotCommittedError
from tests.fakes.orders import AAPL

Fault = Callable[["FakeStore", Draft], None]


def refused(store: FakeStore, draft: Draft) -> None:
    """The store says no; nothing is committed."""
    raise NotCommittedError


def lost_before(store: FakeStore, draft: Draft) -> None:
    """The connection is lost, and the transaction was rolled back."""
    raise InDoubtError


def lost_after(store: FakeStore, draft: Draft) -> None:
    """The connection is lost, but the transaction was committed."""
    store.keep(draft)
    raise InDoubtError


@dataclass
class FakeStore:
    """Keeps what is committed. The faults at the front of `faults` are met one commit each; None is none."""

    entries: list[Entry] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    cursors: dict[str, tuple[str, int]] = field(default_factory=dict)
    lists: list[ListRecord] = field(default_factory=list)
    faults: list[Fault | None] = field(default_factory=list)
    away: int = 0
    commits: list[int] = field(default_factory=list)
    gate: asyncio.Event | None = None
    unreadable: bool = False
    finds: list[int] = field(default_factory=list)
    find_gate: asyncio.Event | None = None

    def encode(self, draft: Draft) -> None:
        for entry in draft.entries:
            entry.payload = b"%d" % entry.sequence

    async def commit(self, draft: Draft) -> None:
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            fault(self, draft)
        self.keep(draft)

    def keep(self, draft: Draft) -> None:
        keys = self._keys()
        if any((o.terms.account_id, o.terms.client_order_id) in keys for o in draft.placed):
            raise DuplicateKeyError
        assert [e.sequence for e in draft.entries] == [
            len(self.entries) + 1 + offset for offset in range(len(draft.entries))
        ]
        self.entries += draft.entries
        self.orders |= draft.orders
        self.cursors |= draft.cursors
        self.lists += draft.lists
        self.commits.append(len(draft.entries))

    async def recover(self) -> int:
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise refusals.store_unavailable()
        return len(self.entries)

    async def find(self, keys: Collection[Key]) -> Mapping[Key, Order]:
        self.finds.append(len(keys))
        if self.find_gate is not None:
            await self.find_gate.wait()
        await asyncio.sleep(0)
        known = self._keys()
        return {key: known[key] for key in keys if key in known}

    async def order(self, order_id: str) -> Order | None:
        await asyncio.sleep(0)
        if self.unreadable:
            raise refusals.store_unavailable()
        return self.orders.get(order_id)

    async def histories(self, order_ids: Collection[str]) -> Mapping[str, OrderHistory]:
        await asyncio.sleep(0)
        if self.unreadable:
            raise refusals.store_unavailable()
        return {
            order_id: OrderHistory(self.orders[order_id], self._executions(order_id))
            for order_id in order_ids
            if order_id in self.orders
        }

    def _executions(self, order_id: str) -> Executions:
        executions = Executions()
        for entry in self.entries:
            if entry.order.terms.order_id == order_id:
                take_in(executions, entry)
        return executions

    async def account_sequences(self, account_ids: Collection[str]) -> Mapping[str, int]:
        await asyncio.sleep(0)
        return {
            account: max((e.account_sequence for e in self.entries if _account(e) == account), default=0)
            for account in account_ids
        }

    async def replace(self, order_id: str, replace_id: str) -> Replace | None:
        await asyncio.sleep(0)
        for entry in self.entries:
            replace = entry.order.replace
            if entry.event.type is ExecutionType.PENDING_REPLACE and entry.order.terms.order_id == order_id:
                assert replace is not None
                if replace.replace_id == replace_id:
                    return replace
        return None

    def load(self, book: Book) -> None:
        """Fills a book as at the start of a process."""
        book.sequence = len(self.entries)
        book.cursors = dict(self.cursors)
        for entry in self.entries:
            book.topics[entry.topic] = entry.sequence
        book.load(sorted((o for o in self.orders.values() if o.live), key=lambda order: order.placed_sequence))
        book.load_accounts({_account(e): e.account_sequence for e in self.entries})

    def _keys(self) -> dict[Key, Order]:
        return {(o.terms.account_id, o.terms.client_order_id): o for o in self.orders.values()}


class FakeLists:
    """The lists that a store keeps."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    async def find(self, account_id: str, client_order_list_id: str) -> ListRecord | None:
        await asyncio.sleep(0)
        wanted = (account_id, client_order_list_id)
        return next((r for r in self._store.lists if (r.account_id, r.client_order_list_id) == wanted), None)

    async def get(self, order_list_id: str) -> ListRecord | None:
        await asyncio.sleep(0)
        return next((record for record in self._store.lists if record.order_list_id == order_list_id), None)

    async def orders(self, order_list_ids: Sequence[str]) -> Mapping[str, Sequence[Order]]:
        await asyncio.sleep(0)
        orders = self._store.orders.values()
        return {id_: [order for order in orders if order.terms.group_id == id_] for id_ in order_list_ids}


@dataclass
class FakeRiskPort:
    """Decides as told."""

    decide: Callable[[OrderTerms], Decision] = lambda _: ACCEPTED
    error: CodedError | None = None
    gate: asyncio.Event | None = None
    reserved: set[str] = field(default_factory=set)
    replacing: dict[str, OrderTerms] = field(default_factory=dict)
    asked: int = 0
    batches: list[int] = field(default_factory=list)

    async def reserve(self, terms: Sequence[OrderTerms]) -> Sequence[Decision]:
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.batches.append(len(terms))
        decisions = [self.decide(each) for each in terms]
        self.reserved |= {each.order_id for each, d in zip(terms, decisions, strict=True) if not d.reason}
        return decisions

    def release(self, order_ids: Sequence[str]) -> None:
        self.reserved -= set(order_ids)

    async def reserve_replaces(self, replaces: Sequence[tuple[Order, OrderTerms]]) -> Sequence[Decision]:
        self.asked += len(replaces)
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.batches.append(len(replaces))
        decisions = [self.decide(terms) for _, terms in replaces]
        self.replacing |= {
            order.terms.order_id: terms
            for (order, terms), decision in zip(replaces, decisions, strict=True)
            if not decision.reason
        }
        return decisions

    def release_replaces(self, order_ids: Sequence[str]) -> None:
        for order_id in order_ids:
            del self.replacing[order_id]


@dataclass
class FakeInstruments:
    """Knows some at once, and finds others when asked."""

    at_once: dict[str, Instrument] = field(default_factory=lambda: {AAPL.name: AAPL})
    asked: dict[str, Instrument] = field(default_factory=dict)

    def known(self, name: str) -> Instrument | None:
        return self.at_once.get(name)

    def listings(self, name: str) -> list[Instrument]:
        own = self.at_once.get(name)
        return [] if own is None else [each for each in self.at_once.values() if each.lists_the_same(own)]

    async def find(self, name: str) -> Instrument | None:
        await asyncio.sleep(0)
        return self.at_once.get(name) or self.asked.get(name)


@dataclass
class Heard:
    """A listener that remembers."""

    entries: list[Entry] = field(default_factory=list)

    def committed(self, draft: Draft) -> None:
        self.entries += draft.entries


def _account(entry: Entry) -> str:
    return entry.order.terms.account_id
