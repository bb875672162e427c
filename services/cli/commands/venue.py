"""`ordermesh venue`: what the operator of a simulated venue does to its trades."""

from __future__ import annotations

from typing import Annotated

import typer

from ordermesh.broker.v1 import trade_adjustment_pb2
from services.cli import options, output
from services.cli.address import Where
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run

venue = typer.Typer(help="Operates a simulated venue.", no_args_is_help=True)

_Execution = Annotated[str, typer.Argument(metavar="EXECUTION", help="The venue's id of the trade: `trades` shows it.")]
_Connection = Annotated[str, typer.Option("--connection", metavar="ID", help="The connection that it came through.")]


@venue.command()
def bust(
    execution: _Execution,
    connection: _Connection = "simulation",
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Takes a trade back, for both of its sides."""
    request = trade_adjustment_pb2.BustTradeRequest(connection_id=connection, venue_execution_id=execution)
    run(Where(address, ca), lambda mesh: _bust(mesh, request, as_json=json))


@venue.command()
def correct(
    execution: _Execution,
    *,
    instrument: Annotated[str, typer.Option("--instrument", metavar="NAME", help="Instrument of the trade.")],
    quantity: Annotated[str, typer.Option("--quantity", metavar="N", help="What it shall have traded.")],
    price: Annotated[str, typer.Option("--price", metavar="P", help="At which price.")],
    connection: _Connection = "simulation",
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Gives a trade another price or quantity, for both of its sides."""
    request = trade_adjustment_pb2.CorrectTradeRequest(
        connection_id=connection,
        venue_execution_id=execution,
        instrument=instrument.upper(),
        price=price,
        quantity=quantity,
    )
    run(Where(address, ca), lambda mesh: _correct(mesh, request, as_json=json))


async def _bust(mesh: Mesh, request: trade_adjustment_pb2.BustTradeRequest, *, as_json: bool) -> int:
    answer = await mesh.brokers.BustTrade(request)
    if as_json:
        output.print_json(answer)
    else:
        output.console().print("taken back" if answer.changed else "it had been taken back before")
    return ExitCode.DONE


async def _correct(mesh: Mesh, request: trade_adjustment_pb2.CorrectTradeRequest, *, as_json: bool) -> int:
    answer = await mesh.brokers.CorrectTrade(request)
    if as_json:
        output.print_json(answer)
    else:
        output.console().print("corrected" if answer.changed else "it was so already")
    return ExitCode.DONE
