"""`ordermesh auction`: begins and ends auctions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from ordermesh.marketdata.v1 import auction_admin_pb2, auction_pb2
from services.cli import options, output
from services.cli.address import Where
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run


class Kind(StrEnum):
    """What an auction is for."""

    OPENING = "opening"
    CLOSING = "closing"


Instrument = Annotated[str, typer.Argument(metavar="INSTRUMENT", help="Such as AAPL.XNAS.")]
Reference = Annotated[
    str,
    typer.Option("--reference", metavar="PRICE", help="Decides between prices at which as much trades; else the last."),
]

auction = typer.Typer(no_args_is_help=True, help="Begins and ends auctions; `ordermesh quotes` tells how they stand.")


@auction.command()
def begin(
    kind: Annotated[Kind, typer.Argument(help="What it is for.")],
    instrument: Instrument,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Begins the call phase: orders collect without trading, until `ordermesh auction uncross`."""
    request = auction_admin_pb2.BeginAuctionRequest(
        instrument=instrument.upper(), kind=auction_pb2.AuctionKind.Value(f"AUCTION_KIND_{kind.name}")
    )
    run(Where(address, ca), lambda mesh: _begin(mesh, request, kind, as_json=json))


@auction.command()
def uncross(
    instrument: Instrument,
    reference: Reference = "",
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Ends the call phase: all that can trade trades at one price, and trading goes on."""
    request = auction_admin_pb2.UncrossAuctionRequest(instrument=instrument.upper(), reference_price=reference)
    run(Where(address, ca), lambda mesh: _uncross(mesh, request, as_json=json))


async def _begin(mesh: Mesh, request: auction_admin_pb2.BeginAuctionRequest, kind: Kind, *, as_json: bool) -> int:
    answer = await mesh.market_data.BeginAuction(request)
    if as_json:
        output.print_json(answer)
    else:
        since = "has begun" if answer.begun else "goes on already"
        output.console().print(f"the {kind} auction of {escape(answer.instrument.instrument)} {since}")
    return ExitCode.DONE


async def _uncross(mesh: Mesh, request: auction_admin_pb2.UncrossAuctionRequest, *, as_json: bool) -> int:
    answer = await mesh.market_data.UncrossAuction(request)
    if as_json:
        output.print_json(answer)
    else:
        traded = f"{answer.quantity} traded at {answer.price}" if answer.price else "nothing traded"
        output.console().print(f"the auction of {escape(answer.instrument.instrument)} is over: {traded}")
    return ExitCode.DONE
