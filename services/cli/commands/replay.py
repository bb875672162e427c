"""`ordermesh replay FILE...`: proves a recorded morning against its published book, or plays it into the engine."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.address import Where
from services.cli.failure import ExitCode, exit_code, one_line
from services.cli.mesh import Mesh, asked
from services.cli.output import complain
from services.kernel.errors import CodedError
from services.market.replay.command import Recording, Venue, check_book, find_recordings, play_market

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="LOBSTER message files, plain or .gz; with their order book files, if any."),
]


class Mode(StrEnum):
    """What is done with a recording."""

    BOOK = "book"
    MARKET = "market"


ModeOption = Annotated[
    Mode, typer.Option(help="book: compare with the published book; market: play into the engine, to trade inside.")
]
Speed = Annotated[float, typer.Option(min=0, help="Times real time in market mode; 0: as fast as the engine goes.")]
Limit = Annotated[int, typer.Option(min=0, help="Most messages of each file; 0: all.")]
Keep = Annotated[bool, typer.Option("--keep", help="Leaves the replay's orders in the book at the end.")]


def replay(
    files: Files, mode: ModeOption = Mode.BOOK, speed: Speed = 60.0, limit: Limit = 0, keep: Keep = False
) -> None:
    """Replays recorded order-by-order data: proves the book it gives, or lets you trade inside it.

    Book mode needs no running mesh; it ends with 1 when there is a difference that nothing explains. Market mode makes
    an instrument, which an admin may.
    """
    try:
        code = _replay(find_recordings(files), mode, speed, limit, keep=keep)
    except CodedError as error:
        complain(one_line(error))
        code = exit_code(error)
    except KeyboardInterrupt:
        code = ExitCode.DONE
    raise typer.Exit(code)


def _replay(recordings: list[Recording], mode: Mode, speed: float, limit: int, *, keep: bool) -> ExitCode:
    console = Console()
    if mode is Mode.BOOK:
        differences = [check_book(recording, console, limit=limit).different for recording in recordings]
        return ExitCode.REFUSED if any(differences) else ExitCode.DONE

    async def play(mesh: Mesh) -> ExitCode:
        async with mesh.engine() as engine:
            venue = Venue(engine, mesh.channel("marketdata"))
            for recording in recordings:
                await play_market(recording, console, venue, speed=speed, limit=limit, keep=keep)
        return ExitCode.DONE

    return asked(Where(), play)
