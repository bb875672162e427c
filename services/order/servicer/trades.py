"""Fills: lists, one of them, and sums."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from ordermesh.order.v1 import order_pb2, order_query_pb2, trade_query_pb2
from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from services.kernel.clock import Clock, from_ns, to_ns
from services.kernel.decimals import ZERO, format_decimal
from services.mesh.times import span
from services.mesh.tokens import PageTokens, filters_of
from services.order.domain import refusals
from services.order.domain.summary import TradeSummary
from services.order.domain.values import Side
from services.order.pipeline.orders import Orders
from services.order.pipeline.queries import FillFilter, FillPlace, FillRow, Lists
from services.order.servicer.messages import fill_filter, page_size
from services.order.wire import decimal_text, nanoseconds, timestamp, trade_message
from services.order.wire_adjustments import mark

_FILLS_PER_TURN: Final = 500
"""So many fills are summed up before others get their turn: the order path runs in the same loop."""


class TradeMethods:
    """The methods of OrderService that tell fills."""

    _orders: Orders
    _lists: Lists
    _clock: Clock

    async def ListTrades(
        self, request: order_query_pb2.ListTradesRequest, context: Any
    ) -> order_query_pb2.ListTradesResponse:
        """Lists fills, newest first."""
        size, tokens = page_size(request.page_size), PageTokens(filters_of(request))
        position = tokens.read(request.page_token, parts=3)
        before = (from_ns(int(position[0])), int(position[1]), int(position[2])) if position else None
        as_of = self._orders.as_of
        rows = await self._lists.fills(fill_filter(request), before, size + 1)
        last = rows[size - 1] if len(rows) > size else None
        return order_query_pb2.ListTradesResponse(
            trades=await self._as_they_count(rows[:size]),
            next_page_token=_token(tokens, last) if last else "",
            as_of=as_of,
        )

    async def GetTrade(
        self, request: trade_query_pb2.GetTradeRequest, context: Any
    ) -> trade_query_pb2.GetTradeResponse:
        """Tells one fill."""
        trade_id, as_of = request.trade_id.lower(), self._orders.as_of
        row = await self._lists.fill(trade_id)
        if row is None:
            raise refusals.unknown_trade(trade_id)
        (trade,) = await self._as_they_count([row])
        return trade_query_pb2.GetTradeResponse(trade=trade, as_of=as_of)

    async def SummarizeTrades(
        self, request: trade_query_pb2.SummarizeTradesRequest, context: Any
    ) -> trade_query_pb2.SummarizeTradesResponse:
        """Sums fills up by instrument."""
        begin, end = span(request)
        begin = begin or midnight_before(end, self._clock.now())
        wanted = FillFilter(request.account_id, request.instrument, "", begin, end)
        as_of = self._orders.as_of
        summaries = await self._summed(wanted)
        response = trade_query_pb2.SummarizeTradesResponse(
            summaries=(_summary_message(name, summaries[name]) for name in sorted(summaries)), as_of=as_of
        )
        getattr(response, "from").FromDatetime(begin)
        return response

    async def _as_they_count(self, rows: Sequence[FillRow]) -> list[order_pb2.Trade]:
        """Returns fills as they count now: what became of them since stands in later reports of the log."""
        trades = {trade.trade_id: trade for trade in (trade_of_row(row) for row in rows)}
        for payload in await self._lists.adjustments({trade.order_id for trade in trades.values()}):
            report = ExecutionReport.FromString(payload)
            if (trade := trades.get(report.trade_adjustment.trade_id)) is not None:
                mark(trade, report)
        return list(trades.values())

    async def _summed(self, wanted: FillFilter) -> dict[str, TradeSummary]:
        summaries: dict[str, TradeSummary] = {}
        before: FillPlace | None = None
        while rows := await self._lists.fills(wanted, before, _FILLS_PER_TURN):
            for trade in await self._as_they_count(rows):
                if trade.adjustment_type == order_pb2.TRADE_ADJUSTMENT_TYPE_CANCELED:
                    continue
                summaries.setdefault(trade.instrument, TradeSummary()).add(
                    Side(trade.side),
                    Decimal(trade.price),
                    Decimal(trade.quantity),
                    Decimal(trade.fee) if trade.fee else ZERO,
                    nanoseconds(trade.executed_at),
                )
            before = rows[-1].place
            await asyncio.sleep(0)
        return summaries


def _token(tokens: PageTokens, last: FillRow) -> str:
    return tokens.make(str(to_ns(last.executed_at)), str(last.sequence), str(last.shard))


def trade_of_row(row: FillRow) -> order_pb2.Trade:
    """Returns a fill as it was made."""
    return trade_message(ExecutionReport.FromString(row.payload))


def midnight_before(end: datetime | None, now: datetime) -> datetime:
    """Returns the UTC midnight with which the day of the last moment before `end` began."""
    last = now if end is None or end > now else end
    if last == end and last > datetime.min.replace(tzinfo=last.tzinfo):
        last -= timedelta(microseconds=1)
    return last.replace(hour=0, minute=0, second=0, microsecond=0)


def _summary_message(instrument: str, summary: TradeSummary) -> trade_query_pb2.TradeSummary:
    return trade_query_pb2.TradeSummary(
        instrument=instrument,
        trade_count=summary.count,
        bought_quantity=format_decimal(summary.bought.quantity),
        sold_quantity=format_decimal(summary.sold.quantity),
        average_bought_price=decimal_text(summary.bought.average),
        average_sold_price=decimal_text(summary.sold.average),
        fees=format_decimal(summary.fees),
        first_executed_at=timestamp(summary.first_ns),
        last_executed_at=timestamp(summary.last_ns),
    )
