"""The options that commands share."""

from __future__ import annotations

import re
from typing import Annotated

import typer

_LAST_PORT = 65_535
_HOST_PORT = re.compile(r"(?:http://)?([^\s:/@]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})/?")


def host_port(address: str) -> str:
    """Returns the `host:port` of an address, also of one copied as a URL; nothing for nothing.

    Raises:
        BadParameter: It is neither.
    """
    if not address:
        return ""
    found = _HOST_PORT.fullmatch(address)
    if found is None or not 0 < int(found[2]) <= _LAST_PORT:
        raise typer.BadParameter(f"{address!r} is not HOST:PORT, such as 127.0.0.1:8080")
    return f"{found[1]}:{found[2]}"


Address = Annotated[
    str,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        callback=host_port,
        help="Where the gateway is; default: the mesh of this checkout.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON for scripts: one document, or one a line while watching.")]
Account = Annotated[str, typer.Option("--account", metavar="ID", help="The account.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Goes on, updating in place; Ctrl-C ends it.")]
Most = Annotated[int, typer.Option("--most", min=1, max=1000, help="Most entries to show.")]
InstrumentFilter = Annotated[str, typer.Option("--instrument", metavar="NAME", help="Only of this instrument.")]
Closed = Annotated[bool, typer.Option("--all/--open", help="Also positions that are closed.")]

DEMO = "demo"
