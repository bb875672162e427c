"""`ordermesh quotes`: bids, asks and last trades."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.markup import escape

from ordermesh.marketdata.v1 import auction_pb2, instrument_pb2, market_data_service_pb2, quote_pb2, quote_query_pb2
from ordermesh.type.v1 import trading_pb2
from services.cli import live, options, output
from services.cli.address import Where
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.cli.output import Column

_CALL_AUCTION = instrument_pb2.INSTRUMENT_STATUS_CALL_AUCTION
_COLUMNS = (
    Column("instrument"),
    Column("bid quantity", number=True),
    Column("bid", number=True),
    Column("ask", number=True),
    Column("ask quantity", number=True),
    Column("last", number=True),
)
_DAY_COLUMNS = (*_COLUMNS, Column("change %", number=True), Column("volume", number=True), Column(""))


def quotes(
    instruments: Annotated[list[str] | None, typer.Argument(metavar="[INSTRUMENT]...", help="None: all.")] = None,
    watch: options.Watch = False,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Shows the market of some instruments, or of all."""
    names = [name.upper() for name in instruments or ()]
    if watch:
        run(Where(address, ca), lambda mesh: _watch(mesh, names, as_json=json))
    run(Where(address, ca), lambda mesh: _show(mesh, names, as_json=json))


async def _show(mesh: Mesh, names: Sequence[str], *, as_json: bool) -> int:
    for name in names:
        # A list leaves out what does not exist; who names it wants to know.
        await mesh.market_data.GetInstrument(market_data_service_pb2.GetInstrumentRequest(instrument=name))
    answer = await mesh.market_data.ListQuotes(quote_query_pb2.ListQuotesRequest(instruments=names, page_size=1000))
    if as_json:
        output.print_json(answer)
    else:
        output.show(_DAY_COLUMNS, [_day_row(ticker) for ticker in answer.tickers], "nothing is quoted yet")
    return ExitCode.DONE


async def _watch(mesh: Mesh, names: Sequence[str], *, as_json: bool) -> int:
    board: dict[str, quote_pb2.Quote] = {}
    screen = live.Screen(in_place=not as_json)
    request = market_data_service_pb2.StreamQuotesRequest(instruments=names)
    with screen.open():
        async for message in live.messages(mesh.login, lambda _: mesh.market_data.StreamQuotes(request)):
            news = _quotes_of(message)
            board.update({quote.instrument: quote for quote in news})
            if as_json:
                for quote in news:
                    output.print_json(quote, line=True)
            elif news:
                screen.show(partial(_board, board), partial(map, _line, news))
    return ExitCode.DONE


def _quotes_of(message: market_data_service_pb2.StreamQuotesResponse) -> Sequence[quote_pb2.Quote]:
    match message.WhichOneof("item"):
        case "snapshot":
            return message.snapshot.quotes
        case "update":
            return message.update.quotes
        case _:
            return ()


def _board(board: dict[str, quote_pb2.Quote]) -> RenderableType:
    return output.table((*_COLUMNS, Column("")), [(*_row(quote), _note(quote)) for _, quote in sorted(board.items())])


def _row(quote: quote_pb2.Quote) -> Sequence[str]:
    return (
        escape(quote.instrument),
        quote.bid_quantity,
        f"[green]{quote.bid_price}[/]",
        f"[red]{quote.ask_price}[/]",
        quote.ask_quantity,
        quote.last_price,
    )


def _day_row(ticker: quote_pb2.Ticker) -> Sequence[str]:
    day = ticker.statistics
    return (*_row(ticker.quote), output.signed(day.change_percent), output.grouped(day.volume), _note(ticker.quote))


def _note(quote: quote_pb2.Quote) -> str:
    if quote.status == instrument_pb2.INSTRUMENT_STATUS_HALTED:
        return "[yellow]halted[/]"
    if quote.stale:
        return "[yellow]old[/]"
    return f"[cyan]{_auction(quote.auction)}[/]" if quote.status == _CALL_AUCTION else ""


def _auction(auction: auction_pb2.Auction) -> str:
    kind = output.word(auction_pb2.AuctionKind.Name(auction.kind), "AUCTION_KIND_") if auction.kind else ""
    told = f"{kind} auction".strip()
    if auction.indicative_price:
        told += f": {auction.indicative_quantity} at {auction.indicative_price}"
    if auction.surplus_side:
        side = trading_pb2.Side.Name(auction.surplus_side).removeprefix("SIDE_").lower()
        told += f", {auction.surplus_quantity} more to {side}"
    return told


def _line(quote: quote_pb2.Quote) -> str:
    return (
        f"{escape(quote.instrument)} bid {quote.bid_quantity or '-'} x {quote.bid_price or '-'} "
        f"ask {quote.ask_price or '-'} x {quote.ask_quantity or '-'} last {quote.last_price or '-'}"
        f"{' ' + _note(quote) if _note(quote) else ''}"
    )
