"""LOBSTER files: order-by-order messages of NASDAQ, and the published book after each.

Format: lobsterdata.com, "LOBSTER output structure". A message file has six columns without a header: seconds after
midnight, type, order id, size, price x 10,000, direction of the order that rests (1 buy, -1 sell). An order book file
has four columns for each level: ask price, ask size, bid price, bid size, best first; a level that does not exist has
the price 9999999999 (ask) or -9999999999 (bid) and size 0.
"""

from __future__ import annotations

import csv
import enum
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.kernel.errors import CodedError, invalid_field

MESSAGE_COLUMNS = 6
COLUMNS_PER_LEVEL = 4
PRICE_SCALE = 10_000
NO_LEVEL = 9_999_999_999
DEFAULT_DEPTH = 10

_NAME = re.compile(
    r"(?P<symbol>[A-Za-z0-9-]+)_(?P<date>\d{4}-\d{2}-\d{2})_.*?(?P<kind>message|orderbook)_(?P<depth>\d+)"
)


class MessageType(enum.IntEnum):
    """What a message says."""

    ADD = 1
    PARTIAL_CANCEL = 2
    DELETE = 3
    VISIBLE_EXECUTION = 4
    HIDDEN_EXECUTION = 5
    CROSS_TRADE = 6
    HALT = 7


class Side(enum.IntEnum):
    """Side of the order that rests."""

    BUY = 1
    SELL = -1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side(-self)


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        time_ns: Nanoseconds after midnight.
        type: What it says.
        order_id: Order it names; 0 for a hidden execution.
        size: Shares.
        price: Price x 10,000. For a halt -1 (halted), 0 (quotes resume) or 1 (trading resumes).
        side: Side of the order that rests.
    """

    time_ns: int
    type: MessageType
    order_id: int
    size: int
    price: int
    side: Side


@dataclass(frozen=True, slots=True)
class Level:
    """A published level: price x 10,000 and shares."""

    price: int
    size: int


@dataclass(frozen=True, slots=True)
class PublishedBook:
    """One row of an order book file: the levels that exist, best first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    depth: int

    def side(self, side: Side) -> tuple[Level, ...]:
        """Returns the levels of one side."""
        return self.bids if side is Side.BUY else self.asks


@dataclass(frozen=True, slots=True)
class FileName:
    """What the name of a LOBSTER file says: symbol, date and number of levels."""

    symbol: str
    date: str
    kind: str
    depth: int


def parse_name(path: Path) -> FileName | None:
    """Returns what the name of a file says, or None when it is not named as LOBSTER names files."""
    found = _NAME.search(path.name)
    if found is None:
        return None
    return FileName(found["symbol"].upper(), found["date"], found["kind"], int(found["depth"]))


def is_message_file(path: Path) -> bool:
    """Tells messages from order books by their number of columns.

    Raises:
        CodedError: INVALID_FIELD, when the file cannot be read or is neither.
    """
    first = next(_rows(path), None)
    if first is None:
        raise invalid_field("file", f"{path} is empty")
    if len(first) == MESSAGE_COLUMNS:
        return True
    if len(first) % COLUMNS_PER_LEVEL == 0:
        return False
    raise invalid_field("file", f"{path} has {len(first)} columns; a LOBSTER message file has {MESSAGE_COLUMNS}")


def read_messages(path: Path) -> Iterator[Message]:
    """Reads the messages of a file, plain or gzip, in its order.

    Raises:
        CodedError: INVALID_FIELD, naming file and row that cannot be read.
    """
    for number, row in enumerate(_rows(path), start=1):
        try:
            time, kind, order_id, size, price, side = row
            message = Message(
                time_ns=_seconds_to_ns(time),
                type=MessageType(int(kind)),
                order_id=int(order_id),
                size=int(size),
                price=int(price),
                side=Side(int(side)),
            )
        except ValueError as error:
            raise _bad_row(path, number, error) from error
        yield message


def read_books(path: Path) -> Iterator[PublishedBook]:
    """Reads the published books of a file, plain or gzip, in its order.

    Raises:
        CodedError: INVALID_FIELD, naming file and row that cannot be read.
    """
    for number, row in enumerate(_rows(path), start=1):
        try:
            values = [int(value) for value in row]
        except ValueError as error:
            raise _bad_row(path, number, error) from error
        yield PublishedBook(
            bids=_levels(values[2::4], values[3::4]),
            asks=_levels(values[0::4], values[1::4]),
            depth=len(values) // COLUMNS_PER_LEVEL,
        )


def _levels(prices: list[int], sizes: list[int]) -> tuple[Level, ...]:
    return tuple(Level(price, size) for price, size in zip(prices, sizes, strict=True) if abs(price) != NO_LEVEL)


def _seconds_to_ns(text: str) -> int:
    """Returns the nanoseconds of a decimal number of seconds, exactly (a float would lose the last digits)."""
    whole, _, fraction = text.partition(".")
    return int(whole) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", newline="") as file:
                yield from csv.reader(file)
        else:
            with path.open(newline="") as file:
                yield from csv.reader(file)
    except (OSError, UnicodeDecodeError) as error:
        raise invalid_field("file", f"{path} cannot be read: {error}") from error


def _bad_row(path: Path, number: int, error: ValueError) -> CodedError:
    return invalid_field("file", f"{path}, row {number}: {error}")
