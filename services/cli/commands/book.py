"""`ordermesh book`: the best levels of an instrument's order book."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.markup import escape

from ordermesh.marketdata.v1 import book_access_pb2, book_pb2
from services.cli import live, options, output
from services.cli.address import Where
from services.cli.book_state import BookState
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.cli.output import Column
from services.kernel.errors import CodedError, ErrorKind

_COLUMNS = (
    Column("orders", number=True),
    Column("quantity", number=True),
    Column("bid", number=True),
    Column("ask", number=True),
    Column("quantity", number=True),
    Column("orders", number=True),
)
_NO_LEVEL = book_pb2.BookLevel()


def book(
    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT", help="Such as AAPL.XNAS.")],
    depth: Annotated[int, typer.Option("--depth", min=1, max=1000, help="Levels of each side.")] = 10,
    watch: options.Watch = False,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Shows the best levels of an order book."""
    name = instrument.upper()
    if watch:
        run(Where(address, ca), lambda mesh: _watch(mesh, name, depth, as_json=json))
    run(Where(address, ca), lambda mesh: _show(mesh, name, depth, as_json=json))


async def _show(mesh: Mesh, name: str, depth: int, *, as_json: bool) -> int:
    request = book_access_pb2.GetOrderBookRequest(instrument=name, depth=depth)
    answer = await mesh.market_data.GetOrderBook(request)
    if as_json:
        output.print_json(answer.book)
        return ExitCode.DONE
    state = BookState(name)
    state.replace(answer.book)
    output.console().print(_table(state, depth))
    return ExitCode.DONE


async def _watch(mesh: Mesh, name: str, depth: int, *, as_json: bool) -> int:
    state, screen = BookState(name), live.Screen(in_place=not as_json)
    request = book_access_pb2.StreamOrderBookRequest(instruments=[name], depth=depth)
    with screen.open():
        async for message in live.messages(mesh.login, lambda _: mesh.market_data.StreamOrderBook(request)):
            if not _take(state, message):
                continue
            if as_json:
                output.print_json(_as_book(state, depth), line=True)
            else:
                screen.show(partial(_table, state, depth), partial(_lines, state))
    return ExitCode.DONE


def _take(state: BookState, message: book_access_pb2.StreamOrderBookResponse) -> bool:
    """Takes in a message; returns whether the book has changed."""
    match message.WhichOneof("item"):
        case "snapshot":
            for whole in message.snapshot.books:
                state.replace(whole)
            return bool(message.snapshot.books)
        case "update":
            for change in message.update.changes:
                if not state.apply(change):
                    raise CodedError(
                        ErrorKind.DATA_LOSS, "STREAM_GAP", "a change of the book is missing; watch it anew"
                    )
            return True
        case _:
            return False


def _table(state: BookState, depth: int) -> RenderableType:
    rows = [_row(bid or _NO_LEVEL, ask or _NO_LEVEL) for bid, ask in state.levels(depth)]
    old = "  [yellow]old: the venue's feed is lost[/]" if state.stale else ""
    return output.table(_COLUMNS, rows, title=f"[bold]{escape(state.instrument)}[/]{old}")


def _row(bid: book_pb2.BookLevel, ask: book_pb2.BookLevel) -> Sequence[str]:
    return (
        str(bid.order_count or ""),
        bid.quantity,
        f"[green]{bid.price}[/]",
        f"[red]{ask.price}[/]",
        ask.quantity,
        str(ask.order_count or ""),
    )


def _lines(state: BookState) -> Iterable[str]:
    best = state.levels(1)
    bid, ask = best[0] if best else (None, None)
    bid, ask = bid or _NO_LEVEL, ask or _NO_LEVEL
    yield (
        f"{escape(state.instrument)} {bid.quantity or '-'} x {bid.price or '-'} | "
        f"{ask.price or '-'} x {ask.quantity or '-'}"
    )


def _as_book(state: BookState, depth: int) -> book_pb2.OrderBook:
    levels = state.levels(depth)
    return book_pb2.OrderBook(
        instrument=state.instrument,
        bids=[bid for bid, _ in levels if bid is not None],
        asks=[ask for _, ask in levels if ask is not None],
        sequence=state.sequence,
        stale=state.stale,
    )
