"""`ordermesh replay FILE...`: belongs to the simulated market, and is loaded only when it is asked for."""

from __future__ import annotations

import importlib
import os

import typer

from services.cli.address import find_mesh
from services.kernel.errors import CodedError

MODULE = "services.market.replay.command"
TAKES_ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}
"""What stands behind `replay` is for the module to understand, `--help` included."""


def replay(context: typer.Context) -> None:
    """Replays a recorded morning: checks it against its book, or plays it into the engine."""
    tell_where_the_mesh_is()
    inner = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    inner.command()(importlib.import_module(MODULE).replay)
    inner(args=context.args, prog_name="ordermesh replay")


def tell_where_the_mesh_is() -> None:
    """Puts the addresses of the running mesh into the environment, where they are not said there already."""
    try:
        found = find_mesh()
    except CodedError:
        return  # a recording can be checked without a mesh; who needs one says so
    for name, address in found.variables().items():
        os.environ.setdefault(name, address)
