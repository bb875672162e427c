"""`ordermesh order quality`: how well an order, or the orders of a day, were executed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from google.protobuf.duration_pb2 import Duration
from rich.markup import escape

from ordermesh.order.v1 import arrival_quote_pb2, execution_quality_pb2, execution_quality_summary_pb2
from ordermesh.type.v1 import trading_pb2
from services.cli import options, output
from services.cli.address import Where
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.cli.output import Column

_COLUMNS = (
    Column("instrument"),
    Column("connection"),
    Column("orders", number=True),
    Column("fills", number=True),
    Column("quantity", number=True),
    Column("average", number=True),
    Column("slippage", number=True),
    Column("bp", number=True),
    Column("eff/quoted", number=True),
    Column("improved", number=True),
    Column("at touch", number=True),
    Column("outside", number=True),
    Column("fees", number=True),
    Column("time", number=True),
)

Day = Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="The UTC day; default: today.")]
After = Annotated[
    float,
    typer.Option("--after", min=1, max=3600, metavar="SECONDS", help="When impact is looked at after the last fill."),
]


def quality(  # noqa: PLR0917 - each is a word of the command line
    order_id: Annotated[str, typer.Argument(metavar="[ORDER_ID]", help="The order; without it, those of a day.")] = "",
    after: After = 60.0,
    day: Day = "",
    account: options.Account = options.DEMO,
    instrument: options.InstrumentFilter = "",
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Tells how well an order was executed, or all of the account on a day."""
    if order_id and day:
        raise typer.BadParameter("give the ORDER_ID of one order, or a --day")
    if order_id:
        interval = Duration()
        interval.FromNanoseconds(round(after * 1e9))
        one = execution_quality_pb2.GetExecutionQualityRequest(order_id=order_id, impact_interval=interval)
        run(Where(address, ca), lambda mesh: _one(mesh, one, as_json=json))
    request = execution_quality_summary_pb2.SummarizeExecutionQualityRequest(
        account_id=account, instrument=instrument.upper(), day=day
    )
    run(Where(address, ca), lambda mesh: _day(mesh, request, as_json=json))


async def _one(mesh: Mesh, request: execution_quality_pb2.GetExecutionQualityRequest, *, as_json: bool) -> int:
    answer = await mesh.orders.GetExecutionQuality(request)
    if as_json:
        output.print_json(answer)
    else:
        for line in lines(answer.execution_quality):
            output.console().print(line)
    return ExitCode.DONE


async def _day(
    mesh: Mesh, request: execution_quality_summary_pb2.SummarizeExecutionQualityRequest, *, as_json: bool
) -> int:
    answer = await mesh.orders.SummarizeExecutionQuality(request)
    if as_json:
        output.print_json(answer)
    else:
        output.show(_COLUMNS, [_row(each) for each in answer.summaries], f"no fills of {request.account_id}")
    return ExitCode.DONE


def lines(told: execution_quality_pb2.ExecutionQuality) -> Iterator[str]:
    """Returns the figures of an order in lines, with markup; costs are positive."""
    what = f"{output.side(trading_pb2.Side.Name(told.side))} {told.quantity} {escape(told.instrument)}"
    average = f", {told.cumulative_quantity} at {told.average_price} on average" if told.average_price else ""
    yield f"[bold]{what}[/]{average}  [dim]{escape(told.order_id)}[/]"
    yield f"fills      {told.fill_count}, ratio {told.fill_ratio}{_times(told)}"
    if told.HasField("arrival"):
        yield f"arrival    {_quote(told.arrival)}"
    if told.slippage_basis_points:
        yield f"slippage   {_money(told.slippage, told)}, {told.slippage_basis_points} bp of {told.arrival_mid_price}"
        yield f"           spread {_money(told.spread_cost, told)}, improvement {_money(told.price_improvement, told)}"
        yield f"           effective spread {told.effective_spread}, {told.effective_spread_basis_points} bp"
    if told.HasField("implementation_shortfall"):
        cost = told.implementation_shortfall
        yield f"shortfall  {_money(cost.total, told)}, {cost.basis_points} bp of {told.decision_price}"
        yield f"           execution {cost.execution_cost}, opportunity {cost.opportunity_cost}, fees {cost.fees}"
    if told.HasField("market_impact"):
        moved = told.market_impact
        yield f"impact     permanent {moved.permanent_basis_points} bp, temporary {moved.temporary_basis_points} bp"
    if told.HasField("market"):
        market = told.market
        yield f"market     VWAP {market.vwap} of {market.volume}: {market.slippage_basis_points} bp against it"
    for venue in told.venues:
        share = f"{venue.quantity} at {venue.average_price}, share {venue.share}"
        yield f"venue      {escape(venue.instrument)} by {escape(venue.connection_id)}: {share}"
    for each in told.untold:
        yield f"[dim]{escape(each.figure)}: {escape(each.text)}[/]"


def _quote(arrival: arrival_quote_pb2.ArrivalQuote) -> str:
    stale = " (stale)" if arrival.stale else ""
    return f"{arrival.bid_price or '-'} / {arrival.ask_price or '-'}, last {arrival.last_price or '-'}{stale}"


def _times(told: execution_quality_pb2.ExecutionQuality) -> str:
    first = f", first after {_milliseconds(told.time_to_first_fill)}" if told.HasField("time_to_first_fill") else ""
    complete = (
        f", complete after {_milliseconds(told.time_to_completion)}" if told.HasField("time_to_completion") else ""
    )
    return first + complete


def _milliseconds(duration: Duration) -> str:
    return f"{duration.ToNanoseconds() / 1e6:,.1f} ms"


def _money(amount: str, told: execution_quality_pb2.ExecutionQuality) -> str:
    return f"{amount} {escape(told.currency)}" if amount else "-"


def _row(told: execution_quality_summary_pb2.ExecutionQualitySummary) -> Sequence[str]:
    return (
        escape(told.instrument),
        escape(told.connection_id),
        str(told.order_count),
        str(told.fill_count),
        told.quantity,
        told.average_price,
        told.slippage,
        told.slippage_basis_points,
        told.effective_to_quoted_ratio,
        told.improved_quantity,
        told.at_touch_quantity,
        told.outside_quantity,
        told.fees,
        _milliseconds(told.average_time_to_fill) if told.HasField("average_time_to_fill") else "",
    )
