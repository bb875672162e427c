"""Judgements of executions as messages of the contract."""

from __future__ import annotations

from decimal import Decimal

from google.protobuf.duration_pb2 import Duration

from ordermesh.order.v1 import execution_quality_pb2 as quality
from ordermesh.order.v1.execution_quality_summary_pb2 import ExecutionQualitySummary
from ordermesh.type.v1 import trading_pb2
from services.kernel.decimals import EXACT, format_decimal
from services.order.domain import execution_quality as figures
from services.order.domain.execution_summary import QualityTotal
from services.order.domain.executions import Executed
from services.order.domain.values import OrderStatus
from services.order.pipeline.judging import Contract, Judgement
from services.order.pipeline.quality_summaries import Group
from services.order.wire import decimal_text, timestamp
from services.order.wire_quotes import arrival_message

_NO_COST = figures.Cost(None, None)


def quality_message(judged: Judgement) -> quality.ExecutionQuality:
    """Returns the message of a judgement."""
    terms, total, benchmark = judged.order.terms, judged.executions.total, judged.benchmark
    begun_ns = judged.beginning.arrived_at_ns
    filled = judged.order.status is OrderStatus.FILLED
    message = quality.ExecutionQuality(
        order_id=terms.order_id,
        account_id=terms.account_id,
        instrument=terms.instrument,
        side=trading_pb2.Side.ValueType(terms.side),
        currency=judged.currency,
        contract_multiplier=decimal_text(benchmark.multiplier),
        quantity=format_decimal(benchmark.quantity),
        cumulative_quantity=format_decimal(total.quantity),
        fill_ratio=decimal_text(figures.ratio(total.quantity, benchmark.quantity)),
        fill_count=total.count,
        arrived_at=timestamp(begun_ns),
        ended_at=None if judged.ended_at_ns is None else timestamp(judged.ended_at_ns),
        time_to_first_fill=_duration(total.first_ns - begun_ns) if total.count else None,
        time_to_completion=_duration(total.last_ns - begun_ns) if total.count and filled else None,
        arrival=None if benchmark.arrival is None else arrival_message(benchmark.arrival),
        fees=format_decimal(total.fees),
        implementation_shortfall=_shortfall(total, benchmark),
        market_impact=_impact(total, benchmark),
        market=_market(total, benchmark),
        venues=(
            _venue(where, judged.executions.by_venue[where], total, benchmark)
            for where in sorted(judged.executions.by_venue)
        ),
        untold=(quality.UntoldFigure(figure=figure, text=text) for figure, text in judged.untold),
    )
    _add_prices(message, total, benchmark)
    return message


def summary_message(group: Group, total: QualityTotal, contract: Contract | None) -> ExecutionQualitySummary:
    """Returns the message of a total; money is left out without a contract."""

    def money(value: Decimal) -> str:
        return "" if contract is None else format_decimal(EXACT.multiply(value, contract.multiplier))

    message = ExecutionQualitySummary(
        instrument=group[0],
        connection_id=group[1],
        currency="" if contract is None else contract.currency,
        order_count=total.orders,
        fill_count=total.count,
        quantity=format_decimal(total.quantity),
        notional=money(total.paid),
        fees=format_decimal(total.fees),
        average_price=decimal_text(total.average),
        benchmarked_quantity=format_decimal(total.benchmarked),
        average_time_to_fill=None if total.average_wait_ns is None else _duration(total.average_wait_ns),
    )
    if total.benchmarked:
        message.slippage = money(total.cost)
        message.slippage_basis_points = decimal_text(total.cost_points)
        message.effective_spread = decimal_text(total.effective_spread)
        message.quoted_spread = decimal_text(total.quoted_spread)
        message.effective_to_quoted_ratio = decimal_text(total.effective_to_quoted)
        message.price_improvement = money(total.improvement)
        message.improved_quantity = format_decimal(total.improved)
        message.at_touch_quantity = format_decimal(total.at_touch)
        message.outside_quantity = format_decimal(total.outside)
    return message


def _add_prices(message: quality.ExecutionQuality, total: Executed, benchmark: figures.Benchmark) -> None:
    message.arrival_mid_price = decimal_text(benchmark.mid)
    if benchmark.decision is not None:
        message.decision_price = format_decimal(benchmark.decision)
        message.decision_price_source = (
            quality.DECISION_PRICE_SOURCE_ARRIVAL_LAST
            if benchmark.mid is None
            else quality.DECISION_PRICE_SOURCE_ARRIVAL_MID
        )
    message.average_price = decimal_text(total.average)
    message.notional = decimal_text(benchmark.money(total.paid))
    slippage = figures.cost_against(total, benchmark, benchmark.mid) or _NO_COST
    message.slippage = decimal_text(slippage.money)
    message.slippage_basis_points = decimal_text(slippage.points)
    message.spread_cost = decimal_text(figures.spread_cost(total, benchmark))
    message.price_improvement = decimal_text(figures.price_improvement(total, benchmark))
    spread = figures.effective_spread(total, benchmark) or _NO_COST
    message.effective_spread = decimal_text(spread.money)
    message.effective_spread_basis_points = decimal_text(spread.points)


def _shortfall(total: Executed, benchmark: figures.Benchmark) -> quality.ImplementationShortfall | None:
    shortfall = figures.shortfall(total, benchmark)
    if shortfall is None:
        return None
    message = quality.ImplementationShortfall(
        total=format_decimal(shortfall.total),
        basis_points=decimal_text(shortfall.points),
        execution_cost=format_decimal(shortfall.execution),
        opportunity_cost=format_decimal(shortfall.opportunity),
        fees=format_decimal(shortfall.fees),
    )
    if benchmark.end is not None and total.quantity < benchmark.quantity:
        message.end_price = format_decimal(benchmark.end.price)
        message.end_price_at.CopyFrom(timestamp(benchmark.end.at_ns))
    return message


def _impact(total: Executed, benchmark: figures.Benchmark) -> quality.MarketImpact | None:
    impact = figures.impact(total, benchmark)
    if impact is None or benchmark.after is None:
        return None
    permanent, temporary = impact
    return quality.MarketImpact(
        permanent=decimal_text(permanent.money),
        permanent_basis_points=decimal_text(permanent.points),
        temporary=decimal_text(temporary.money),
        temporary_basis_points=decimal_text(temporary.points),
        price_after=format_decimal(benchmark.after.price),
        price_after_at=timestamp(benchmark.after.at_ns),
    )


def _market(total: Executed, benchmark: figures.Benchmark) -> quality.MarketComparison | None:
    traded = benchmark.traded
    if traded is None or not total.count:
        return None
    slippage = figures.cost_against(total, benchmark, traded.average) or _NO_COST
    message = quality.MarketComparison(
        vwap=decimal_text(traded.average),
        volume=format_decimal(traded.volume),
        trade_count=traded.count,
        to=timestamp(traded.end_ns),
        slippage=decimal_text(slippage.money),
        slippage_basis_points=decimal_text(slippage.points),
        participation=decimal_text(figures.ratio(total.quantity, traded.volume)),
    )
    getattr(message, "from").CopyFrom(timestamp(traded.begin_ns))
    return message


def _venue(
    where: tuple[str, str], venue: Executed, total: Executed, benchmark: figures.Benchmark
) -> quality.VenueExecutionQuality:
    slippage = figures.cost_against(venue, benchmark, benchmark.mid) or _NO_COST
    return quality.VenueExecutionQuality(
        connection_id=where[0],
        instrument=where[1],
        quantity=format_decimal(venue.quantity),
        share=decimal_text(figures.ratio(venue.quantity, total.quantity)),
        average_price=decimal_text(venue.average),
        fees=format_decimal(venue.fees),
        fill_count=venue.count,
        slippage=decimal_text(slippage.money),
        slippage_basis_points=decimal_text(slippage.points),
    )


def _duration(nanoseconds: int) -> Duration:
    """Returns a time that passed; none when clocks disagree."""
    duration = Duration()
    duration.FromNanoseconds(max(nanoseconds, 0))
    return duration
