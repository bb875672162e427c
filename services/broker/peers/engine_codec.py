"""Commands and executions in the engine's terms: ticks, lots and bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from ordermesh.engine.v1 import execution_pb2, order_entry_service_pb2, order_pb2
from services.broker.domain.books import Fill
from services.broker.domain.messages import (
    Command,
    NewOrder,
    OrderType,
    ReplaceOrder,
    Report,
    ReportKind,
    Side,
    TimeInForce,
    VenueOrder,
)
from services.broker.domain.terms import Terms
from services.broker.peers.engine_adjustments import adjusted, execution_id
from services.broker.peers.engine_instructions import (
    OUT_OF_BAND,
    add_instructions,
    instructions_of,
    stop_ticks,
    type_of,
)
from services.broker.peers.engine_reasons import explain
from services.kernel.decimals import EXACT, ZERO, format_decimal
from services.kernel.errors import CodedError

Told = execution_pb2.Execution | order_pb2.OpenOrder

_ORDER_ID_BYTES: Final = 16
_MOST_REMEMBERED: Final = 100_000

_SIDE: Final[dict[int, order_pb2.Side.ValueType]] = {Side.BUY: order_pb2.SIDE_BUY, Side.SELL: order_pb2.SIDE_SELL}
_TYPE: Final[dict[int, order_pb2.OrderType.ValueType]] = {
    OrderType.MARKET: order_pb2.ORDER_TYPE_MARKET,
    OrderType.LIMIT: order_pb2.ORDER_TYPE_LIMIT,
    OrderType.STOP: order_pb2.ORDER_TYPE_STOP,
    OrderType.STOP_LIMIT: order_pb2.ORDER_TYPE_STOP_LIMIT,
}
_TIME_IN_FORCE: Final[dict[int, order_pb2.TimeInForce.ValueType]] = {
    TimeInForce.DAY: order_pb2.TIME_IN_FORCE_DAY,
    TimeInForce.GTC: order_pb2.TIME_IN_FORCE_GOOD_TILL_CANCEL,
    TimeInForce.IOC: order_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL,
    TimeInForce.FOK: order_pb2.TIME_IN_FORCE_FILL_OR_KILL,
    TimeInForce.GTD: order_pb2.TIME_IN_FORCE_GOOD_TILL_DATE,
    TimeInForce.AT_THE_OPENING: order_pb2.TIME_IN_FORCE_AT_THE_OPENING,
    TimeInForce.AT_THE_CLOSE: order_pb2.TIME_IN_FORCE_AT_THE_CLOSE,
}
_KIND: Final = {
    execution_pb2.EXECUTION_TYPE_NEW: ReportKind.ACCEPTED,
    execution_pb2.EXECUTION_TYPE_TRADE: ReportKind.TRADE,
    execution_pb2.EXECUTION_TYPE_CANCELED: ReportKind.CANCELED,
    execution_pb2.EXECUTION_TYPE_REJECTED: ReportKind.REJECTED,
    execution_pb2.EXECUTION_TYPE_CANCEL_REJECTED: ReportKind.CANCEL_REJECTED,
    execution_pb2.EXECUTION_TYPE_EXPIRED: ReportKind.EXPIRED,
    execution_pb2.EXECUTION_TYPE_REPLACED: ReportKind.REPLACED,
    execution_pb2.EXECUTION_TYPE_TRIGGERED: ReportKind.TRIGGERED,
    execution_pb2.EXECUTION_TYPE_REDUCED: ReportKind.RESTATED,
    execution_pb2.EXECUTION_TYPE_TRADE_CANCELED: ReportKind.TRADE_CANCELED,
    execution_pb2.EXECUTION_TYPE_TRADE_CORRECTED: ReportKind.TRADE_CORRECTED,
}
_LIMITED: Final = (order_pb2.ORDER_TYPE_LIMIT, order_pb2.ORDER_TYPE_STOP_LIMIT)
_ANSWERS: Final = (ReportKind.REPLACED, ReportKind.CANCEL_REJECTED)


class EngineCodec:
    """Turns commands into the engine's, and executions into reports.

    An order that cannot be told in ticks and lots, which OrderService lets nobody make, is sent in a form that the
    engine refuses: so the refusal has its place in the engine's sequence, and survives any crash.
    """

    def __init__(self, by_name: Mapping[str, Terms], by_number: Mapping[int, Terms], taker_fee_rate: Decimal) -> None:
        self._by_name = by_name
        self._by_number = by_number
        self._rate = taker_fee_rate
        self._groups: dict[str, int] = {}

    @property
    def taker_fee_rate(self) -> Decimal:
        """Fee for taking liquidity, a part of the value traded."""
        return self._rate

    def unknown_names(self, commands: Iterable[Command]) -> set[str]:
        """Returns the instruments of new and replaced orders whose terms are not loaded."""
        known = self._by_name
        return {
            each.instrument
            for each in commands
            if isinstance(each, NewOrder | ReplaceOrder) and each.instrument not in known
        }

    def unknown_numbers(self, told: Iterable[Told]) -> set[int]:
        """Returns the engine's numbers of instruments that it told of and whose terms are not loaded."""
        known = self._by_number
        return {number for each in told if (number := each.instrument_id) and number not in known}

    def request(self, commands: Sequence[Command]) -> order_entry_service_pb2.TradeRequest:
        """Returns the message of some commands, in their order."""
        request = order_entry_service_pb2.TradeRequest()
        for command in commands:
            self._add(request.batch, command)
        return request

    def _add(self, batch: order_entry_service_pb2.CommandBatch, command: Command) -> None:
        """Adds a command, made where it stays: a message that is put into another one is copied."""
        order_id, sequence = _to_bytes(command.order_id), command.command_sequence
        if isinstance(command, NewOrder):
            batch.commands.add(command_sequence=sequence, new_order=self._new_order(command, order_id))
        elif isinstance(command, ReplaceOrder):
            batch.commands.add(command_sequence=sequence, replace_order=self._replace_order(command, order_id))
        else:
            batch.commands.add(command_sequence=sequence, cancel_order=order_pb2.CancelOrder(order_id=order_id))

    def _new_order(self, order: NewOrder, order_id: bytes) -> order_pb2.NewOrder:
        terms = self._by_name.get(order.instrument)
        new = order_pb2.NewOrder(
            order_id=order_id,
            instrument_id=terms.venue_number if terms else 0,
            side=_SIDE.get(order.side, order_pb2.SIDE_UNSPECIFIED),
            order_type=_TYPE.get(order.order_type, order_pb2.ORDER_TYPE_UNSPECIFIED),
            time_in_force=_TIME_IN_FORCE.get(order.time_in_force, order_pb2.TIME_IN_FORCE_UNSPECIFIED),
            price_ticks=_ticks(terms, order),
            quantity_lots=_lots(terms, order),
            self_trade_prevention=order_pb2.SELF_TRADE_PREVENTION_CANCEL_NEWEST,
            self_trade_group=self._group(order.account_id),
        )
        if order.instructions is not None and terms is not None:
            add_instructions(new, order.instructions, terms)
        return new

    def _replace_order(self, order: ReplaceOrder, order_id: bytes) -> order_pb2.ReplaceOrder:
        terms = self._by_name.get(order.instrument)
        replace = order_pb2.ReplaceOrder(
            order_id=order_id, price_ticks=_ticks(terms, order), quantity_lots=_lots(terms, order)
        )
        if order.stop_price and terms is not None:
            replace.stop_price_ticks = stop_ticks(terms, order.stop_price)
        if order.expire_at_ns:
            replace.expire_time_ns = order.expire_at_ns
        return replace

    def _group(self, account_id: str) -> int:
        """Returns the number of the account's self-trade group: orders of one account never trade with each other."""
        if (group := self._groups.get(account_id)) is None:
            if len(self._groups) >= _MOST_REMEMBERED:
                self._groups.clear()
            digest = hashlib.blake2b(account_id.encode(), digest_size=8).digest()
            group = self._groups[account_id] = int.from_bytes(digest, "big") or 1
        return group

    def report(self, execution: execution_pb2.Execution) -> Report:
        """Returns what an execution says; the terms of its instrument must be loaded."""
        number = execution.instrument_id
        terms = self._by_number[number] if number else None
        kind = _KIND.get(execution.execution_type, ReportKind.OTHER)
        if kind == ReportKind.TRADE and terms is not None:
            return self._fill(execution, terms)
        if kind >= ReportKind.TRADE_CANCELED and terms is not None:
            fee = format_decimal(self._fee(execution, terms)) if self._rate else ""
            return adjusted(execution, ReportKind(kind), _to_text(execution.order_id), terms, fee)
        reason, text = explain(execution, kind)
        return Report(
            execution.execution_sequence,
            kind,
            _to_text(execution.order_id),
            str(execution.venue_order_id or ""),
            cumulative_quantity=terms.quantities.text(execution.cumulative_quantity_lots) if terms else "0",
            reason=reason,
            text=text,
            time_ns=execution.time_ns,
            command_sequence=execution.command_sequence if kind in _ANSWERS else 0,
        )

    def _fill(self, execution: execution_pb2.Execution, terms: Terms) -> Report:
        fee = self._fee(execution, terms)
        return Report(
            execution.execution_sequence,
            ReportKind.TRADE,
            _to_text(execution.order_id),
            str(execution.venue_order_id),
            execution_id(execution),
            terms.prices.text(execution.last_price_ticks),
            terms.quantities.text(execution.last_quantity_lots),
            terms.quantities.text(execution.cumulative_quantity_lots),
            format_decimal(fee) if fee else "",
            time_ns=execution.time_ns,
        )

    def fills(self, execution: execution_pb2.Execution) -> Iterator[Fill]:
        """Yields what an execution does to the venue's books: nothing, unless a trade or what becomes of one."""
        if not execution.trade_id:
            return
        number, terms = execution.instrument_id, self._by_number[execution.instrument_id]
        sign = -1 if execution.side == order_pb2.SIDE_SELL else 1
        if lots := execution.previous_quantity_lots:
            ticks = execution.previous_price_ticks
            yield Fill(number, -sign * lots, ticks, -self._fee_of(execution, ticks, lots, terms), reverses=True)
        if lots := execution.last_quantity_lots:
            yield Fill(number, sign * lots, execution.last_price_ticks, self._fee(execution, terms))

    def _fee(self, execution: execution_pb2.Execution, terms: Terms) -> Decimal:
        return self._fee_of(execution, execution.last_price_ticks, execution.last_quantity_lots, terms)

    def _fee_of(self, execution: execution_pb2.Execution, ticks: int, lots: int, terms: Terms) -> Decimal:
        if not self._rate or execution.liquidity != execution_pb2.LIQUIDITY_TAKER:
            return ZERO
        return EXACT.multiply(EXACT.multiply(Decimal(abs(ticks) * lots), terms.value_of_one), self._rate)

    def open_order(self, order: order_pb2.OpenOrder) -> VenueOrder:
        """Returns an order that rests or waits in the engine; the terms of its instrument must be loaded."""
        terms = self._by_number[order.instrument_id]
        return VenueOrder(
            _to_text(order.order_id),
            str(order.venue_order_id),
            terms.instrument,
            Side.BUY if order.side == order_pb2.SIDE_BUY else Side.SELL,
            terms.prices.text(order.price_ticks) if order.order_type in _LIMITED else "",
            terms.quantities.text(order.quantity_lots),
            terms.quantities.text(order.cumulative_quantity_lots),
            terms.quantities.text(order.leaves_quantity_lots),
            type_of(order),
            instructions_of(order, terms),
        )


def _ticks(terms: Terms | None, order: NewOrder | ReplaceOrder) -> int:
    if terms is None or not order.limit_price:
        return 0
    try:
        return terms.prices.count(order.limit_price, "limit_price")
    except CodedError:
        return OUT_OF_BAND


def _lots(terms: Terms | None, order: NewOrder | ReplaceOrder) -> int:
    if terms is None:
        return 0
    try:
        return terms.quantities.count(order.quantity, "quantity")
    except CodedError:
        return 0


def _to_bytes(order_id: str) -> bytes:
    try:
        return bytes.fromhex(order_id.replace("-", ""))
    except ValueError:
        return order_id.encode()


def _to_text(order_id: bytes) -> str:
    if len(order_id) != _ORDER_ID_BYTES:
        return order_id.decode(errors="replace")
    text = order_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
