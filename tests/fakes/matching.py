"""A naive price-time-priority book behind the session that replays and agents trade through."""

from __future__ import annotations

from collections.abc import Sequence

from services.market.orders import (
    Action,
    CancelAll,
    CancelOrder,
    Execution,
    ExecutionKind,
    NewOrder,
    ReduceOrder,
    Side,
)


class NaiveSession:
    """One participant alone at a naive book; levels are plain lists, oldest first.

    Attributes:
        tape: Price, quantity and both order ids of every trade.
        halted: Instruments that are halted.
    """

    def __init__(self) -> None:
        self.tape: list[tuple[int, int, bytes, bytes]] = []
        self.halted: set[int] = set()
        self._levels: dict[tuple[int, Side, int], list[tuple[bytes, int, int]]] = {}
        self._where: dict[bytes, tuple[int, Side, int]] = {}

    async def submit(self, actions: Sequence[Action]) -> list[Execution]:
        """Does actions one after the other."""
        return [execution for action in actions for execution in self._do(action)]

    async def halt(self, instrument_id: int) -> None:
        """Halts trading."""
        self.halted.add(instrument_id)

    async def resume(self, instrument_id: int) -> None:
        """Resumes trading."""
        self.halted.discard(instrument_id)

    def book(self, instrument_id: int, side: Side) -> dict[int, int]:
        """Returns lots by price in ticks."""
        return {
            price: sum(lots for _, lots, _ in orders)
            for (number, of, price), orders in self._levels.items()
            if (number, of) == (instrument_id, side) and orders
        }

    def _do(self, action: Action) -> list[Execution]:
        match action:
            case NewOrder():
                return self._enter(action)
            case CancelOrder(order_id):
                return self._take_off(order_id, None)
            case ReduceOrder(order_id, lots):
                return self._take_off(order_id, lots)
            case CancelAll(number):
                mine = [order_id for order_id, place in self._where.items() if number in (0, place[0])]
                return [execution for order_id in mine for execution in self._take_off(order_id, None)]

    def _enter(self, order: NewOrder) -> list[Execution]:
        told = [_told(ExecutionKind.ACCEPTED, order.order_id, order.instrument_id)]
        left = order.quantity_lots
        while left and (price := self._best(order.instrument_id, order.side.opposite)) is not None:
            if (price - order.price_ticks) * order.side.sign > 0:
                break
            orders = self._levels[order.instrument_id, order.side.opposite, price]
            maker, lots, group = orders[0]
            if group and group == order.group:
                told += self._take_off(maker, None)
                continue
            traded = min(left, lots)
            left -= traded
            self._fill(order.instrument_id, order.side.opposite, price, traded)
            told += self._trade(order, maker, price, traded, lots - traded, left)
        if left and order.immediate:
            told.append(_told(ExecutionKind.ENDED, order.order_id, order.instrument_id))
        elif left:
            place = (order.instrument_id, order.side, order.price_ticks)
            self._levels.setdefault(place, []).append((order.order_id, left, order.group))
            self._where[order.order_id] = place
        return told

    def _trade(
        self, order: NewOrder, maker: bytes, price: int, traded: int, maker_left: int, left: int
    ) -> list[Execution]:
        self.tape.append((price, traded, maker, order.order_id))
        number = len(self.tape)
        kind, instrument = ExecutionKind.TRADE, order.instrument_id
        return [
            Execution(kind, maker, instrument, price, traded, maker_left, number, True, 0, ""),
            Execution(kind, order.order_id, instrument, price, traded, left, number, False, 0, ""),
        ]

    def _fill(self, number: int, side: Side, price: int, traded: int) -> None:
        orders = self._levels[number, side, price]
        order_id, lots, group = orders[0]
        if lots == traded:
            orders.pop(0)
            del self._where[order_id]
        else:
            orders[0] = (order_id, lots - traded, group)

    def _take_off(self, order_id: bytes, lots: int | None) -> list[Execution]:
        place = self._where.get(order_id)
        if place is None:
            return [_told(ExecutionKind.CANCEL_REJECTED, order_id, 0)]
        orders = self._levels[place]
        index = next(i for i, order in enumerate(orders) if order[0] == order_id)
        _, resting, group = orders[index]
        if lots is not None and lots < resting:
            orders[index] = (order_id, resting - lots, group)
            return [_told(ExecutionKind.CHANGED, order_id, place[0])]
        del orders[index], self._where[order_id]
        return [_told(ExecutionKind.ENDED, order_id, place[0])]

    def _best(self, number: int, side: Side) -> int | None:
        prices = self.book(number, side)
        if not prices:
            return None
        return max(prices) if side is Side.BUY else min(prices)


def _told(kind: ExecutionKind, order_id: bytes, instrument_id: int) -> Execution:
    return Execution(kind, order_id, instrument_id, 0, 0, 0, 0, False, 0, "")
