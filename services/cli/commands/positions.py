"""`ordermesh positions`: what an account holds, and what it is worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from google.protobuf.duration_pb2 import Duration
from rich.console import Group, RenderableType
from rich.markup import escape

from ordermesh.portfolio.v1 import portfolio_pb2, portfolio_query_pb2, portfolio_stream_pb2, position_pb2
from ordermesh.portfolio.v1.position_query_pb2 import ListPositionsRequest
from services.cli import live, options, output
from services.cli.address import Where
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.cli.output import Column

_COLUMNS = (
    Column("instrument"),
    Column("quantity", number=True),
    Column("average", number=True),
    Column("price", number=True),
    Column("value", number=True),
    Column("unrealised", number=True),
    Column("realised", number=True),
    Column("fees", number=True),
    Column("currency"),
)
_TOTAL_COLUMNS = (
    Column("currency"),
    Column("cash", number=True),
    Column("positions", number=True),
    Column("equity", number=True),
    Column("unrealised", number=True),
    Column("realised", number=True),
    Column("fees", number=True),
)
_UPDATE_INTERVAL = Duration(nanos=250_000_000)


def positions(
    everything: options.Closed = False,
    watch: options.Watch = False,
    account: options.Account = options.DEMO,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Shows the account's positions and their worth at live prices."""
    if watch:
        run(Where(address, ca), lambda mesh: _watch(mesh, account, as_json=json))
    run(Where(address, ca), lambda mesh: _show(mesh, account, everything=everything, as_json=json))


async def _show(mesh: Mesh, account: str, *, everything: bool, as_json: bool) -> int:
    request = ListPositionsRequest(account_id=account, include_closed=everything, page_size=1000)
    answer = await mesh.portfolios.ListPositions(request)
    if as_json:
        output.print_json(answer)
        return ExitCode.DONE
    balances = await mesh.portfolios.GetBalances(portfolio_query_pb2.GetBalancesRequest(account_id=account))
    output.show(_COLUMNS, [_row(position) for position in answer.positions], f"no positions of {account}")
    output.console().print(_totals(balances.valuation))
    return ExitCode.DONE


async def _watch(mesh: Mesh, account: str, *, as_json: bool) -> int:
    screen, held = live.Screen(in_place=not as_json), _Held()

    def begin(token: str) -> object:
        request = portfolio_stream_pb2.StreamPortfolioRequest(
            account_id=account, update_interval=_UPDATE_INTERVAL, resume_token=token
        )
        return mesh.portfolios.StreamPortfolio(request)

    with screen.open():
        async for message in live.messages(mesh.login, begin):
            value = _value_of(message)
            if value is None:
                continue
            held.take(value)
            if as_json:
                output.print_json(value, line=True)
            else:
                screen.show(held.whole, held.lines)
    return ExitCode.DONE


class _Held:
    """What a portfolio stream has told so far."""

    def __init__(self) -> None:
        self._positions: dict[str, position_pb2.Position] = {}
        self._value = portfolio_pb2.PortfolioValue()

    def take(self, value: portfolio_pb2.PortfolioValue) -> None:
        self._value = value
        for position in value.positions:
            self._positions[position.instrument] = position

    def whole(self) -> RenderableType:
        rows = [_row(position) for _, position in sorted(self._positions.items()) if position.quantity != "0"]
        return Group(output.table(_COLUMNS, rows), _totals(self._value.valuation))

    def lines(self) -> Iterable[str]:
        for position in self._value.positions:
            yield (
                f"{escape(position.instrument)} quantity {position.quantity} average {position.average_cost or '-'} "
                f"price {position.value.price or '-'} unrealised {position.value.unrealised_profit or '-'} "
                f"realised {position.realised_profit}"
            )
        valuation = self._value.valuation
        yield f"equity {valuation.equity} {valuation.base_currency} as of {valuation.as_of}"


def _value_of(message: portfolio_stream_pb2.StreamPortfolioResponse) -> portfolio_pb2.PortfolioValue | None:
    match message.WhichOneof("item"):
        case "snapshot":
            return message.snapshot.value
        case "update":
            return message.update.value
        case _:
            return None


def _row(position: position_pb2.Position) -> Sequence[str]:
    value = position.value
    price = f"{value.price} [yellow]old[/]" if value.stale else value.price
    return (
        escape(position.instrument),
        output.grouped(position.quantity),
        position.average_cost,
        price,
        output.grouped(value.market_value),
        output.signed(value.unrealised_profit),
        output.signed(position.realised_profit),
        output.grouped(position.fees),
        position.currency,
    )


def _totals(valuation: portfolio_pb2.Valuation) -> RenderableType:
    rows = [
        _total_row(each.currency, each)
        for each in valuation.currencies
        if each.cash != "0" or each.market_value != "0" or each.realised_profit != "0"
    ]
    rows.append(_total_row(f"[bold]total in {valuation.base_currency}[/]", valuation))
    shown: list[RenderableType] = [output.table(_TOTAL_COLUMNS, rows)]
    if valuation.unconverted_currencies:
        left_out = ", ".join(valuation.unconverted_currencies)
        shown.append(f"[dim]No instrument quotes {left_out} in {valuation.base_currency}: not in the total.[/]")
    if valuation.unpriced_positions:
        shown.append(f"[dim]{valuation.unpriced_positions} positions have no price yet: in no value.[/]")
    return Group(*shown)


def _total_row(name: str, total: portfolio_pb2.CurrencyTotal | portfolio_pb2.Valuation) -> Sequence[str]:
    return (
        name,
        output.grouped(total.cash),
        output.grouped(total.market_value),
        output.grouped(total.equity),
        output.signed(total.unrealised_profit),
        output.signed(total.realised_profit),
        output.grouped(total.fees),
    )
