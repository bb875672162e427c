"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.address import host_port


def address_of(told: str) -> str:
    """Returns an address as `host_port` does; nothing for nothing.

    Raises:
        BadParameter: It is none.
    """
    try:
        return host_port(told) if told else ""
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Address = Annotated[
    str,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        callback=address_of,
        help="Where the gateway is, encrypted with https:// before it; default: the mesh of this checkout.",
    ),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="With https://: whose certificates are believed (PEM); default: this machine's, or the local mesh's own.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON for scripts: one document, or one a line while watching.")]
Account = Annotated[str, typer.Option("--account", metavar="ID", help="The account.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Goes on, updating in place; Ctrl-C ends it.")]
Most = Annotated[int, typer.Option("--most", min=1, max=1000, help="Most entries to show.")]
InstrumentFilter = Annotated[str, typer.Option("--instrument", metavar="NAME", help="Only of this instrument.")]
Closed = Annotated[bool, typer.Option("--all/--open", help="Also positions that are closed.")]

DEMO = "demo"
