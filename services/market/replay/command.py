"""The command `ordermesh replay`: a recorded morning, checked against its book or played into the engine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.kernel.errors import invalid_field
from services.market.orders import CancelAll
from services.market.peers.engine_admin import EngineAdmin
from services.market.peers.engine_session import EngineSession
from services.market.peers.market_data import ListedInstrument, MarketDataPeer
from services.market.replay.book_mode import Comparison, compare_books
from services.market.replay.lobster import (
    DEFAULT_DEPTH,
    PRICE_SCALE,
    Message,
    PublishedBook,
    is_message_file,
    parse_name,
    read_books,
    read_messages,
)
from services.market.replay.market_mode import MarketReplay, Outcome
from services.market.replay.player import Pace, Player
from services.market.replay.tables import comparison_table, outcome_table
from services.mesh.client import Channel

VENUE = "REPLAY"
_PROGRESS_EVERY = 2048


@dataclass(frozen=True, slots=True)
class Recording:
    """The files of one recording."""

    messages: Path
    books: Path | None
    symbol: str
    depth: int


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What is played: the messages, and the book before them where it was published."""

    messages: Sequence[Message]
    first: PublishedBook | None


@dataclass(frozen=True, slots=True)
class Venue:
    """Where a recording is played: the engine, and MarketDataService, called for who may make an instrument."""

    engine: Channel
    market_data: Channel


def find_recordings(files: Sequence[Path]) -> list[Recording]:
    """Pairs message files with their book files: those given, else the one beside a message file that LOBSTER names so.

    Of several recordings each gets the given book that is named like it, else one of its symbol and day that is not
    named like another. The book given with a single recording is its book, whatever it is named.

    Raises:
        CodedError: INVALID_FIELD, when a file cannot be read or there is no message file among them.
    """
    kinds = {file: is_message_file(file) for file in files}
    messages = [file for file, is_messages in kinds.items() if is_messages]
    books = [file for file, is_messages in kinds.items() if not is_messages]
    if not messages:
        raise invalid_field("file", "none of the files holds messages (six columns)")
    if len(messages) == 1:
        return [_recording(messages[0], next(iter(books), None))]
    named = {_book_name(file) for file in messages}
    free = [book for book in books if book.name not in named]
    return [_recording(file, _book_among(file, books, free)) for file in messages]


def check_book(recording: Recording, console: Console, *, limit: int = 0) -> Comparison:
    """Book mode: replays a recording and compares it with its published book.

    Args:
        recording: The files.
        console: Where progress and the outcome are shown.
        limit: Most messages to replay; 0: all.

    Raises:
        CodedError: INVALID_FIELD, when there is no book file, or a file cannot be read.
    """
    if recording.books is None:
        raise invalid_field("file", f"{recording.messages.name} needs its order book file, to compare with")
    messages: Iterable[Message] = read_messages(recording.messages)
    comparison = Comparison()
    with _progress(console) as progress:
        task = progress.add_task(recording.messages.name, total=None)
        steps = compare_books(islice(messages, limit or None), read_books(recording.books), recording.depth)
        for number, step in enumerate(steps, start=1):
            comparison = step[1]
            if number % _PROGRESS_EVERY == 0:
                progress.update(task, completed=number)
        progress.update(task, completed=comparison.messages, total=comparison.messages)
    console.print(comparison_table(recording.messages.name, comparison))
    return comparison


async def play_market(
    recording: Recording,
    console: Console,
    venue: Venue,
    *,
    speed: float,
    limit: int = 0,
    keep: bool = False,
) -> Outcome:
    """Market mode: plays a recording into the matching engine, in an instrument of its own.

    One that is interrupted takes its orders out of the book as well, and shows what came of it so far.

    Args:
        recording: The files.
        console: Where progress and the outcome are shown.
        venue: The engine and MarketDataService.
        speed: Seconds of the file in one second of now; 0: as fast as the engine goes.
        limit: Most messages to play; 0: all.
        keep: Leaves the book as it is at the end, instead of taking the replay's orders out.

    Raises:
        CodedError: A file cannot be read, or a service cannot be reached.
    """
    loaded = _load(recording, limit)
    instrument = await MarketDataPeer(venue.market_data).create_equity(
        f"{recording.symbol}.{VENUE}", f"{recording.symbol}, replayed from a recording"
    )
    replay = MarketReplay(instrument.engine_id, int(instrument.tick_size * PRICE_SCALE), run=time.time_ns())
    console.print(f"{len(loaded.messages)} messages into [bold]{instrument.name}[/bold]: trade in it while it plays.")
    try:
        await _play(loaded, replay, console, venue.engine, instrument, Pace(speed, time.monotonic))
    finally:
        if not keep:
            await _clear(venue.engine, instrument)
        console.print(outcome_table(instrument.name, replay.outcome))
    return replay.outcome


def _load(recording: Recording, limit: int) -> _Loaded:
    messages = list(islice(read_messages(recording.messages), limit or None))
    if not messages:
        raise invalid_field("file", f"{recording.messages} is empty")
    return _Loaded(messages, next(read_books(recording.books), None) if recording.books else None)


async def _play(
    loaded: _Loaded,
    replay: MarketReplay,
    console: Console,
    engine: Channel,
    instrument: ListedInstrument,
    pace: Pace,
) -> None:
    session = EngineSession(engine, _participant(instrument))
    await session.open()
    try:
        with _progress(console) as progress:
            task = progress.add_task(instrument.name, total=len(loaded.messages))
            player = Player(
                session,
                EngineAdmin(engine),
                replay,
                instrument.engine_id,
                pace=pace,
                progress=lambda number: progress.update(task, completed=number),
            )
            await player.play(loaded.messages, loaded.first)
    finally:
        await session.close()


async def _clear(engine: Channel, instrument: ListedInstrument) -> None:
    """Takes the replay's orders out of the book, over a new stream: an interruption may have ended the first one."""
    session = EngineSession(engine, _participant(instrument))
    await session.open()
    await session.submit([CancelAll(instrument.engine_id)])
    await session.close()


def _participant(instrument: ListedInstrument) -> str:
    return f"replay/{instrument.name}"


def _book_name(messages: Path) -> str:
    """Returns how LOBSTER names the book file of a message file."""
    return messages.name.replace("message", "orderbook")


def _book_among(messages: Path, books: Sequence[Path], free: Sequence[Path]) -> Path | None:
    """Returns the book file of a message file: the one named like it, else a free one of its symbol and day."""
    if (like := next((book for book in books if book.name == _book_name(messages)), None)) is not None:
        return like
    name = parse_name(messages)
    for book in free:
        other = parse_name(book)
        if name and other and (name.symbol, name.date) == (other.symbol, other.date):
            return book
    return None


def _recording(messages: Path, given: Path | None) -> Recording:
    name = parse_name(messages)
    beside = messages.with_name(_book_name(messages))
    published = given or (beside if beside != messages and beside.exists() else None)
    return Recording(
        messages=messages,
        books=published,
        symbol=name.symbol if name else messages.name.partition(".")[0].upper()[:16],
        depth=name.depth if name else _depth_of(published),
    )


def _depth_of(books: Path | None) -> int:
    first = next(read_books(books), None) if books else None
    return first.depth if first else DEFAULT_DEPTH


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
