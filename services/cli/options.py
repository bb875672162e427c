"""The options that commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from services.cli.address import HTTPS

_LAST_PORT = 65_535
_HOST_PORT = re.compile(r"(http://|https://)?([^\s:/@]+|\[[0-9a-fA-F:]+\])(?::([0-9]{1,5}))?/?")
_HTTPS_PORT = "443"


def host_port(address: str) -> str:
    """Returns the `host:port` of an address, also of one copied as a URL, with `https://` before it if that was there.

    Raises:
        BadParameter: It is neither.
    """
    if not address:
        return ""
    found = _HOST_PORT.fullmatch(address)
    scheme, host, port = found.groups() if found is not None else ("", "", "")
    encrypted = scheme == HTTPS
    port = port or (_HTTPS_PORT if encrypted else "0")
    if not host or not 0 < int(port) <= _LAST_PORT:
        told = "HOST:PORT, such as 127.0.0.1:8080, nor https://HOST[:PORT]"
        raise typer.BadParameter(f"{address!r} is not {told}")
    return f"{HTTPS if encrypted else ''}{host}:{port}"


Address = Annotated[
    str,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        callback=host_port,
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
