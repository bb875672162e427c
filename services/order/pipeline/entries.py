"""Entries of the order log, and a batch of them before it is committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.kernel.decimals import ZERO
from services.order.domain.adjusting import AdjustmentEvent
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent, fill_of
from services.order.domain.order_lists import ListRecord
from services.order.domain.order_trades import Execution, Executions, OrderHistory
from services.order.domain.quotes import Quote
from services.order.domain.values import Topic, topic_of

if TYPE_CHECKING:
    from services.order.pipeline.book import Book


@dataclass(frozen=True, slots=True)
class LoggedReport:
    """An entry as it is read back: its sequence, the serialised execution report, and who asked for it, if known."""

    sequence: int
    payload: bytes
    who: bytes | None = None


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry as the bus needs it when it is read back."""

    sequence: int
    previous_sequence: int
    topic: Topic
    at_ns: int
    payload: bytes


class Entry:
    """One entry of the log.

    Attributes:
        event: What happened.
        sequence: Place in the log.
        account_sequence: Place among the entries of the account.
        previous_sequence: Sequence of the entry before it in the same topic.
        topic: Topic of the bus.
        execution_id: Our id of it.
        at_ns: When it was handed to the commit, nanoseconds since 1970.
        arrival: The newest quote when the order came in; None unless this is an order's first entry and one was known.
        who: Who asked for it; None when nobody did. It stands beside the report, which goes to all who see the order.
        payload: The serialised execution report, once encoded; the same bytes in the log, on streams and on the bus.
    """

    __slots__ = (
        "account_sequence",
        "arrival",
        "at_ns",
        "event",
        "execution_id",
        "payload",
        "previous_sequence",
        "sequence",
        "topic",
        "who",
    )

    def __init__(
        self,
        event: OrderEvent,
        *,
        sequence: int,
        account_sequence: int,
        previous_sequence: int,
        topic: Topic,
        execution_id: str,
        at_ns: int,
    ) -> None:
        self.event = event
        self.sequence = sequence
        self.account_sequence = account_sequence
        self.previous_sequence = previous_sequence
        self.topic = topic
        self.execution_id = execution_id
        self.at_ns = at_ns
        self.arrival: Quote | None = None
        self.who: bytes | None = None
        self.payload = b""

    @property
    def order(self) -> Order:
        """The order afterwards."""
        return self.event.order


_NO_HISTORIES: Mapping[str, OrderHistory | None] = {}


class Draft:
    """A transaction being prepared: entries on top of what is committed, which it does not touch.

    Thrown away when the transaction fails, so that memory and log never differ.

    Attributes:
        at_ns: Time of all its events.
        entries: What it appends to the log.
        placed: Orders that begin with it.
        orders: Every order that it changes, as it stands afterwards.
        cursors: Connections whose cursor it moves: epoch and sequence.
        accounts: Accounts that it appends to: their last account sequence.
        topics: Last sequence per topic.
        lists: Lists of orders that begin with it.
        grouped: Entries of orders that belong to a group, of which something may follow for the others.
        instructed: Entries of orders with instructions: of others nothing is ever held here.
        wanted: Orders whose history it needs and does not have: it must be prepared again with them.
    """

    __slots__ = (
        "_book",
        "_histories",
        "_members",
        "accounts",
        "at_ns",
        "cursors",
        "entries",
        "first_sequence",
        "grouped",
        "instructed",
        "lists",
        "orders",
        "placed",
        "topics",
        "wanted",
    )

    def __init__(self, book: Book, at_ns: int, histories: Mapping[str, OrderHistory | None] = _NO_HISTORIES) -> None:
        """Begins on top of what is committed.

        Args:
            book: What is committed.
            at_ns: Time of all its events.
            histories: Orders that were looked up for it, as committed; None for one that is not there.
        """
        self._book = book
        self._histories = histories
        self.wanted: set[str] = set()
        self.at_ns = at_ns
        self.first_sequence = book.sequence + 1
        self.entries: list[Entry] = []
        self.placed: list[Order] = []
        self.orders: dict[str, Order] = {}
        self.cursors: dict[str, tuple[str, int]] = {}
        self.accounts: dict[str, int] = {}
        self.topics = list(book.topics)
        self.lists: list[ListRecord] = []
        self.grouped: list[Entry] = []
        # By group, in the order in which they changed: a draft of many groups would be gone through for each of them.
        self._members: dict[str, dict[str, None]] = {}
        self.instructed: list[Entry] = []

    @property
    def next_sequence(self) -> int:
        """What the next entry will have."""
        return self.first_sequence + len(self.entries)

    @property
    def last_sequence(self) -> int:
        """The log's last sequence once this is committed."""
        return self.next_sequence - 1

    def order(self, order_id: str) -> Order | None:
        """Returns an order that is or was live at the beginning of this draft, as it stands now."""
        return self.orders.get(order_id) or self._book.live.get(order_id)

    def history(self, order_id: str) -> OrderHistory | None:
        """Returns an order, live or ended, with its trades, as they stand now.

        None when there is none, or when it was not looked up for this draft: then it is among those wanted.
        """
        if order_id not in self._histories:
            self.wanted.add(order_id)
            return None
        committed = self._histories[order_id]
        order = self.orders.get(order_id) or (None if committed is None else committed.order)
        if order is None:
            return None
        executions = Executions() if committed is None else committed.executions.copy()
        for entry in self.entries:
            if entry.event.order.terms.order_id == order_id:
                take_in(executions, entry)
        return OrderHistory(order, executions)

    def live_orders(self, account_id: str) -> list[Order]:
        """Returns the orders of an account that are live now, those begun by this draft left out."""
        orders = (self.orders.get(key, order) for key, order in self._book.live_of(account_id).items())
        return [order for order in orders if order.live]

    def orders_at(self, connection_id: str) -> list[Order]:
        """Returns the live orders that a connection has taken, those begun by this draft left out."""
        orders = (self.orders.get(key, order) for key, order in self._book.live.items())
        return [order for order in orders if order.live and order.connection_id == connection_id]

    def unanswered_at(self, connection_id: str, last_command: int) -> list[Order]:
        """Returns the live orders that a connection's venue never answered, and whose commands are not above one.

        Orders that named no connection are its own only while it is the only one that was ever open.
        """
        mine = {connection_id} if self._book.cursors.keys() - {connection_id} else {connection_id, ""}
        orders = (self.orders.get(key, order) for key, order in self._book.live.items())
        return [
            order
            for order in orders
            if order.live
            and not order.accepted
            and 0 < order.placed_sequence <= last_command
            and order.connection_id in mine
        ]

    def group(self, group_id: str) -> dict[str, Order]:
        """Returns the orders of a group as they stand now, by id."""
        members = {id_: self.orders.get(id_, order) for id_, order in self._book.group(group_id).items()}
        for order_id in self._members.get(group_id, ()):
            members[order_id] = self.orders[order_id]
        return members

    def cursor(self, connection_id: str) -> tuple[str, int]:
        """Returns epoch and sequence reached of a connection; an empty epoch and 0 when none was seen."""
        return self.cursors.get(connection_id) or self._book.cursors.get(connection_id, ("", 0))

    def append(self, event: OrderEvent, execution_id: str) -> Entry:
        """Adds an event, which must have been made with `next_sequence`."""
        order = event.order
        account_id = order.terms.account_id
        account_sequence = self.accounts.get(account_id)
        if account_sequence is None:
            account_sequence = self._book.account_sequence(account_id)
        self.accounts[account_id] = account_sequence = account_sequence + 1
        topic = topic_of(event.type)
        sequence = self.next_sequence
        entry = Entry(
            event,
            sequence=sequence,
            account_sequence=account_sequence,
            previous_sequence=self.topics[topic],
            topic=topic,
            execution_id=execution_id,
            at_ns=self.at_ns,
        )
        self.topics[topic] = sequence
        self.orders[order.terms.order_id] = order
        if order.version == 1:
            self.placed.append(order)
        self.entries.append(entry)
        if order.terms.instructions is not None:
            self.instructed.append(entry)
            if group_id := order.terms.group_id:
                self.grouped.append(entry)
                self._members.setdefault(group_id, {})[order.terms.order_id] = None
        return entry


def take_in(executions: Executions, entry: Entry) -> None:
    """Lets the trades of an order follow an entry."""
    event = entry.event
    report = event.report
    if report is None:
        return
    if isinstance(event, AdjustmentEvent):
        executions.put(event.adjustment.after(entry.execution_id, report.venue_execution_id))
    elif event.is_fill:
        price, quantity = fill_of(event)
        executions.put(
            Execution(
                entry.execution_id,
                entry.execution_id,
                (report.venue_execution_id,) if report.venue_execution_id else (),
                price,
                quantity,
                ZERO if report.fee is None else report.fee,
                report.venue_at_ns,
                entry.at_ns,
            )
        )
