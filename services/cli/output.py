"""What is shown: tables for people, JSON for scripts, complaints on the other channel."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_PLAIN_WIDTH = 250
"""Wide enough that no row is folded where nobody looks at the width."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; numbers stand to the right."""

    name: str
    number: bool = False


def console() -> Console:
    """Returns where results go."""
    return Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False, soft_wrap=False)


def complain(line: str) -> None:
    """Says on standard error what went wrong, in one line."""
    Console(stderr=True, highlight=False).print(f"[red]ordermesh:[/] {escape(line)}", soft_wrap=True)


def say(line: str) -> None:
    """Says something beside the result, where it is not taken for it."""
    Console(stderr=True, highlight=False).print(escape(line), soft_wrap=True)


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], title: str = "") -> Table:
    """Returns a table. Cells may hold markup: escape what comes from outside."""
    result = Table(title=title or None, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for column in columns:
        # In a narrow terminal cells are folded: a name or a number that was cut would be another one.
        result.add_column(column.name, justify="right" if column.number else "left", overflow="fold")
    for row in rows:
        result.add_row(*row)
    return result


def show(columns: Sequence[Column], rows: Sequence[Sequence[str]], nothing: str, title: str = "") -> None:
    """Shows a table, or says that there is nothing."""
    if rows:
        console().print(table(columns, rows, title))
    else:
        say(nothing)


def as_json(message: Message) -> dict[str, Any]:
    """Returns a message by the names of the contract, empty fields included."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def print_json(value: Message | dict[str, Any], *, line: bool = False) -> None:
    """Prints a document, or one line of a stream of them."""
    document = as_json(value) if isinstance(value, Message) else value
    text = json.dumps(document, ensure_ascii=False, indent=None if line else 2)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def grouped(amount: str) -> str:
    """Returns a decimal with its thousands grouped; nothing for nothing."""
    return f"{Decimal(amount):,f}" if amount else ""


def signed(amount: str) -> str:
    """Returns a profit, green or red."""
    if not amount:
        return ""
    value = Decimal(amount)
    colour = "green" if value > 0 else "red" if value < 0 else "dim"
    return f"[{colour}]{value:,f}[/]"


def side(name: str) -> str:
    """Returns a side without its prefix, in its colour."""
    word = name.removeprefix("SIDE_").lower()
    return f"[green]{word}[/]" if word == "buy" else f"[red]{word}[/]"


def word(name: str, prefix: str) -> str:
    """Returns the name of an enumeration's value without its prefix, in small letters."""
    return name.removeprefix(prefix).lower().replace("_", " ")


def local_time(stamp: Timestamp) -> str:
    """Returns a time of today as such, and one of another day with its date, where the reader is."""
    if not stamp.ByteSize():
        return ""
    moment = stamp.ToDatetime(tzinfo=UTC).astimezone()
    today = datetime.now(UTC).astimezone().date()
    return moment.strftime("%H:%M:%S" if moment.date() == today else "%Y-%m-%d %H:%M:%S")
