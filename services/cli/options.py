"""The options that commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Address = Annotated[
    str,
    typer.Option("--address", metavar="HOST:PORT", help="Where the gateway is; default: the mesh of this checkout."),
]
Json = Annotated[bool, typer.Option("--json", help="JSON for scripts: one document, or one a line while watching.")]
Account = Annotated[str, typer.Option("--account", metavar="ID", help="The account.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Goes on, updating in place; Ctrl-C ends it.")]
Most = Annotated[int, typer.Option("--most", min=1, max=1000, help="Most entries to show.")]
InstrumentFilter = Annotated[str, typer.Option("--instrument", metavar="NAME", help="Only of this instrument.")]
Closed = Annotated[bool, typer.Option("--all/--open", help="Also positions that are closed.")]

DEMO = "demo"
