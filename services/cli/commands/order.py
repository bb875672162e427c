"""`ordermesh order buy|sell|quality`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import typer

from services.cli.commands import place, quality

order = typer.Typer(no_args_is_help=True, help="Places an order, or tells how well orders were executed.")


def on_side(side: place.Side) -> Callable[..., None]:
    """Returns the command that places an order on a side: the words of `place.order` without it."""

    @functools.wraps(place.order)
    def command(**words: Any) -> None:
        place.order(side, **words)

    signature = inspect.signature(place.order, eval_str=True)
    words = [word for name, word in signature.parameters.items() if name != "side"]
    command.__signature__ = signature.replace(parameters=words)  # type: ignore[attr-defined]  # inspect reads it, typeshed leaves it out
    return command


for each in place.Side:
    order.command(each.value, help=f"Places an order to {each}, and says what became of it.")(on_side(each))
order.command()(quality.quality)
