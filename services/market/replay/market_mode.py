"""Market mode: recorded order flow becomes orders in the matching engine, beside everybody else's.

An added order is a resting limit order; a cancel takes from it; an execution becomes an immediate-or-cancel order of
the other side, so that the engine decides which order it hits. How often that is the order the file names is counted:
price-time priority alone cannot name it always, since NASDAQ lets some orders keep their place under another id, and
hidden quantity stands in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.market.orders import Action, CancelOrder, Execution, ExecutionKind, NewOrder, ReduceOrder, Side
from services.market.replay import lobster
from services.market.replay.lobster import Message, MessageType, PublishedBook

HALTED, QUOTES_RESUME, TRADING_RESUMES = -1, 0, 1
_TAKER_IDS = 1 << 63

_Terms = tuple[lobster.Side, int, int]
"""Side, price and size of an order that rests."""


@dataclass(slots=True)
class Outcome:
    """What came of driving the engine.

    Attributes:
        messages: Messages by what was done with them.
        resting_before: Orders inferred to rest before the file.
        entered_unseen: Orders inferred to have entered later, deeper than the messages cover.
        named_hits: Executions of which the engine hit the order that the file names, and nothing else.
        other_hits: Executions that hit, wholly or in part, another order.
        better_price: Executions that traded at a better price than the file's.
        not_filled: Executions for which the engine had too little at the file's price.
        against_others: Executions that traded, wholly or in part, with other participants.
        late_cancels: Cancels of orders that the engine had filled already.
    """

    messages: Counter[str] = field(default_factory=Counter)
    resting_before: int = 0
    entered_unseen: int = 0
    named_hits: int = 0
    other_hits: int = 0
    better_price: int = 0
    not_filled: int = 0
    against_others: int = 0
    late_cancels: int = 0

    @property
    def executions(self) -> int:
        """Executions of the file that were played."""
        return self.named_hits + self.other_hits + self.not_filled


@dataclass(slots=True)
class _Taker:
    """An execution of the file on its way through the engine."""

    named: bytes
    price_ticks: int
    quantity_lots: int
    named_lots: int = 0
    own_lots: int = 0
    traded_lots: int = 0
    better_price: bool = False


class MarketReplay:
    """Turns messages into actions, and executions into the outcome.

    Args:
        instrument_id: Instrument at the engine.
        tick: Price of one tick x 10,000.
        run: Number that keeps the order ids of two runs apart.
    """

    def __init__(self, instrument_id: int, tick: int, run: int) -> None:
        self.outcome = Outcome()
        self._instrument_id = instrument_id
        self._tick = tick
        self._run = run
        self._takers: dict[bytes, _Taker] = {}
        self._taker_count = 0
        self._maker_of: dict[int, bytes] = {}
        self._entering: list[tuple[int, _Terms]] = []

    def resting_before(self, messages: Sequence[Message], first: PublishedBook | None) -> list[Action]:
        """Returns the orders that must have rested before the first message.

        An order that is named but never added was placed where no message told of it: before the file, or later and
        deeper than the messages cover. Its id tells which, since the exchange counts them up; its quantity is at least
        what the messages take from it. What the first published book shows beyond these and beyond what the first
        message added rested as well, by nobody that the file names. Older ids come first in the queue, as they did on
        the exchange.
        """
        unseen = _named_but_not_added(messages)
        before = {order_id: terms for order_id, terms in unseen.items() if order_id <= messages[0].order_id}
        self._entering = sorted((item for item in unseen.items() if item[0] not in before), reverse=True)
        actions: list[Action] = [self._rest(order_id, *terms) for order_id, terms in sorted(before.items())]
        if first is not None:
            actions += self._unnamed(messages[0], before.values(), first)
        self.outcome.resting_before = len(actions)
        return actions

    def actions(self, message: Message) -> list[Action]:
        """Returns what a message makes the replay do. A halt makes no action: see `halts`."""
        match message.type:
            case MessageType.ADD:
                self.outcome.messages["added"] += 1
                return [
                    *self._entered_unseen(message.order_id),
                    self._rest(message.order_id, message.side, message.price, message.size),
                ]
            case MessageType.PARTIAL_CANCEL:
                self.outcome.messages["reduced"] += 1
                return [ReduceOrder(self._order_id(message.order_id), message.size)]
            case MessageType.DELETE:
                self.outcome.messages["deleted"] += 1
                return [CancelOrder(self._order_id(message.order_id))]
            case MessageType.VISIBLE_EXECUTION:
                self.outcome.messages["executed"] += 1
                return [self._take(message)]
            case MessageType.HIDDEN_EXECUTION:
                self.outcome.messages["hidden executions, not in the visible book"] += 1
            case MessageType.CROSS_TRADE:
                self.outcome.messages["cross trades, not in the continuous book"] += 1
            case MessageType.HALT:
                self.outcome.messages["halts and resumptions"] += 1
        return []

    def observe(self, execution: Execution) -> list[Action]:
        """Takes in one execution of the replay's orders, and returns what follows from it."""
        match execution.kind:
            case ExecutionKind.TRADE if execution.maker:
                self._maker_of[execution.trade_id] = execution.order_id
            case ExecutionKind.TRADE if execution.order_id in self._takers:
                self._traded(self._takers[execution.order_id], execution)
                if execution.leaves_lots == 0:
                    return self._finish(execution.order_id)
            case ExecutionKind.ENDED | ExecutionKind.REJECTED if execution.order_id in self._takers:
                return self._finish(execution.order_id)
            case ExecutionKind.CANCEL_REJECTED:
                self.outcome.late_cancels += 1
            case _:
                pass
        return []

    def _traded(self, taker: _Taker, execution: Execution) -> None:
        taker.traded_lots += execution.quantity_lots
        taker.better_price |= execution.price_ticks != taker.price_ticks
        maker = self._maker_of.pop(execution.trade_id, None)
        if maker is not None:
            taker.own_lots += execution.quantity_lots
        if maker == taker.named:
            taker.named_lots += execution.quantity_lots

    def _finish(self, taker_id: bytes) -> list[Action]:
        """Counts an execution of the file, and takes the named order down by what was not hit of it.

        On the exchange that quantity is gone. Left in the book, it would stand in the way of every later execution at a
        worse price, and no message would ever remove it.
        """
        taker, outcome = self._takers.pop(taker_id), self.outcome
        outcome.better_price += taker.better_price
        outcome.against_others += taker.traded_lots > taker.own_lots
        if taker.named_lots == taker.quantity_lots:
            outcome.named_hits += 1
            return []
        if taker.traded_lots < taker.quantity_lots:
            outcome.not_filled += 1
        else:
            outcome.other_hits += 1
        return [ReduceOrder(taker.named, taker.quantity_lots - taker.named_lots)]

    def _entered_unseen(self, order_id: int) -> list[Action]:
        """Returns the orders that must have entered before the one of that id, deeper than the messages cover."""
        actions: list[Action] = []
        while self._entering and self._entering[-1][0] < order_id:
            entering_id, terms = self._entering.pop()
            actions.append(self._rest(entering_id, *terms))
        self.outcome.entered_unseen += len(actions)
        return actions

    def _take(self, message: Message) -> NewOrder:
        self._taker_count += 1
        taker_id = self._order_id(_TAKER_IDS + self._taker_count)
        price_ticks = self._ticks(message.price)
        self._takers[taker_id] = _Taker(self._order_id(message.order_id), price_ticks, message.size)
        return NewOrder(
            taker_id, self._instrument_id, _side(message.side).opposite, price_ticks, message.size, immediate=True
        )

    def _rest(self, order_id: int, side: lobster.Side, price: int, size: int) -> NewOrder:
        return NewOrder(self._order_id(order_id), self._instrument_id, _side(side), self._ticks(price), size)

    def _unnamed(self, first_message: Message, inferred: Iterable[_Terms], first: PublishedBook) -> list[Action]:
        known: Counter[tuple[lobster.Side, int]] = Counter()
        for side, price, size in inferred:
            known[side, price] += size
        if first_message.type is MessageType.ADD:
            known[first_message.side, first_message.price] += first_message.size
        actions: list[Action] = []
        for side in lobster.Side:
            for level in first.side(side):
                if (size := level.size - known[side, level.price]) > 0:
                    self._taker_count += 1
                    actions.append(self._rest(_TAKER_IDS + self._taker_count, side, level.price, size))
        return actions

    def _ticks(self, price: int) -> int:
        return price // self._tick

    def _order_id(self, number: int) -> bytes:
        return self._run.to_bytes(8, "big") + number.to_bytes(8, "big")


def halts(message: Message) -> bool | None:
    """Tells whether a message halts trading (True), resumes it (False), or does neither (None)."""
    if message.type is not MessageType.HALT:
        return None
    return {HALTED: True, TRADING_RESUMES: False}.get(message.price)


def _named_but_not_added(messages: Iterable[Message]) -> dict[int, _Terms]:
    added: set[int] = set()
    before: dict[int, _Terms] = {}
    takes = (MessageType.PARTIAL_CANCEL, MessageType.DELETE, MessageType.VISIBLE_EXECUTION)
    for message in messages:
        if message.type is MessageType.ADD:
            added.add(message.order_id)
        elif message.type in takes and message.order_id not in added:
            size = before.get(message.order_id, (message.side, message.price, 0))[2]
            before[message.order_id] = (message.side, message.price, size + message.size)
    return before


def _side(side: lobster.Side) -> Side:
    return Side.BUY if side is lobster.Side.BUY else Side.SELL
