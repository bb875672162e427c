"""Book mode against small recordings and, where they are there, real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.kernel.errors import CodedError
from services.market.replay.book_mode import BEYOND_MESSAGES, UNCOVERED, Comparison, compare_books
from services.market.replay.command import find_recordings
from services.market.replay.known_book import KnownBook, rank_of
from services.market.replay.lobster import (
    Level,
    Message,
    MessageType,
    PublishedBook,
    Side,
    parse_name,
    read_books,
    read_messages,
)
from tests.fixtures.recordings import recording

ADD, CANCEL, DELETE, EXECUTE = (
    MessageType.ADD,
    MessageType.PARTIAL_CANCEL,
    MessageType.DELETE,
    MessageType.VISIBLE_EXECUTION,
)


def message(kind: MessageType, order_id: int, size: int, price: int, side: Side = Side.BUY) -> Message:
    """Returns a message at no particular time."""
    return Message(0, kind, order_id, size, price, side)


def book(*bids: tuple[int, int], asks: tuple[tuple[int, int], ...] = ((110, 1),), depth: int = 2) -> PublishedBook:
    """Returns a published row."""
    return PublishedBook(tuple(Level(*bid) for bid in bids), tuple(Level(*ask) for ask in asks), depth)


def outcome(messages: list[Message], books: list[PublishedBook], depth: int = 2) -> Comparison:
    """Returns the comparison after all messages."""
    comparison = Comparison()
    for step in compare_books(messages, books, depth):
        comparison = step[1]
    return comparison


def test_each_message_changes_the_level_it_names() -> None:
    """Adds, partial cancels, executions and deletes give the published book, row by row."""
    rows = [
        book((100, 5)),
        book((101, 7), (100, 5)),
        book((101, 4), (100, 5)),
        book((101, 3), (100, 5)),
        book((100, 5)),
    ]
    messages = [
        message(ADD, 1, 5, 100),
        message(ADD, 2, 7, 101),
        message(CANCEL, 2, 3, 101),
        message(EXECUTE, 2, 1, 101),
        message(DELETE, 2, 3, 101),
    ]
    result = outcome(messages, rows)
    assert (result.rows, result.rows_equal, result.different) == (4, 4, 0)
    assert not result.unknowable


def test_a_wrong_level_is_an_unexplained_difference() -> None:
    """A published size that the messages do not give is counted and told, not explained away."""
    result = outcome([message(ADD, 1, 5, 100), message(ADD, 2, 7, 101)], [book((100, 5)), book((101, 8), (100, 5))])
    assert (result.rows_equal, result.different) == (0, 1)
    assert "7 at 101, published 8 at 101" in result.examples[0]


def test_a_missing_level_is_an_unexplained_difference() -> None:
    """A level that the messages give and the published row lacks is a difference."""
    result = outcome([message(ADD, 1, 5, 100), message(ADD, 2, 7, 101)], [book((100, 5)), book((100, 5))])
    assert result.different > 0


def test_a_level_from_beyond_the_published_ones_is_unknowable_once() -> None:
    """What comes up from below the rows cannot be known; from then on it is, and is compared."""
    rows = [
        book((101, 7), (100, 5)),
        book((100, 5), (99, 4)),
        book((100, 5), (99, 3)),
    ]
    messages = [message(ADD, 1, 7, 101), message(DELETE, 1, 7, 101), message(CANCEL, 9, 1, 99)]
    result = outcome(messages, rows)
    assert result.unknowable == {UNCOVERED: 1}
    assert (result.different, result.orders_before_file) == (0, 1)


def test_rows_are_matched_with_the_messages_that_touch_them() -> None:
    """A book file of fewer levels has rows only for messages about its levels, hidden executions included."""
    rows = [book((100, 5), depth=1), book((100, 5), depth=1), book((100, 6), depth=1)]
    messages = [
        message(ADD, 1, 5, 100),
        message(ADD, 2, 1, 90),
        message(MessageType.HIDDEN_EXECUTION, 0, 1, 105),
        message(ADD, 3, 1, 100),
    ]
    result = outcome(messages, rows, depth=50)
    assert (result.messages, result.rows, result.different) == (3, 2, 0)


def test_knowledge_ends_where_the_messages_do() -> None:
    """A level pushed below the depth that messages cover is forgotten, since cancels of it are not told."""
    known = KnownBook(message_depth=2)
    known.sides[Side.BUY].learn({rank_of(Side.BUY, 100): 5, rank_of(Side.BUY, 99): 5}, 10**12)
    known.apply(message(ADD, 1, 1, 101))
    assert known.levels(Side.BUY, 5) == [Level(101, 1), Level(100, 5)]
    assert not known.sides[Side.BUY].knows(rank_of(Side.BUY, 99))


def test_without_a_row_to_begin_with_there_is_nothing_to_compare() -> None:
    """An empty book file is refused with the reason."""
    with pytest.raises(CodedError, match="no row to begin with"):
        outcome([message(ADD, 1, 5, 100)], [])


def test_a_bad_row_is_named(tmp_path: Path) -> None:
    """A message that cannot be read is told with file and row."""
    file = tmp_path / "X_message_1.csv"
    file.write_text("1.0,1,1,1,100,1\n1.0,9,1,1,100,1\n")
    with pytest.raises(CodedError, match="row 2"):
        list(read_messages(file))


def test_times_keep_every_nanosecond(tmp_path: Path) -> None:
    """Seconds with nine decimals are read exactly."""
    file = tmp_path / "X_message_1.csv"
    file.write_text("34200.004241176,1,16113575,18,5853300,1\n")
    assert next(read_messages(file)).time_ns == 34_200_004_241_176


def test_ten_levels_of_a_real_morning() -> None:
    """Every one of 998 published rows is equal on each level that can be known."""
    messages = recording("AAPL_2012-06-21_message_10_first999.csv")
    result = replayed(messages, recording("AAPL_2012-06-21_orderbook_10_first999.csv"))
    assert (result.messages, result.rows, result.rows_equal) == (998, 998, 998)
    assert result.levels_equal == 19_642
    assert result.unknowable == {UNCOVERED: 318}


def test_best_prices_of_a_real_hour() -> None:
    """All 91,996 messages of an hour give the published best bid and ask, but for levels that cannot be known."""
    messages = recording("AAPL_2012-06-21_message_50_0930-1030.csv.gz")
    result = replayed(messages, recording("AAPL_2012-06-21_orderbook_1_fullday.csv.gz"))
    assert (result.messages, result.rows, result.rows_equal, result.different) == (91_996, 25_640, 25_640, 0)
    assert result.unknowable[UNCOVERED] == 100
    assert result.unknowable[BEYOND_MESSAGES] == 0


def replayed(messages: Path, books: Path) -> Comparison:
    """Returns the comparison of two files."""
    name = parse_name(messages)
    assert name is not None
    return outcome(list(read_messages(messages)), list(read_books(books)), name.depth)


def test_each_recording_gets_the_book_of_its_own(tmp_path: Path) -> None:
    """Files can be given all at once: a book goes by name, else by symbol and day; with one recording it just goes."""
    names = [f"{name}.csv" for name in ("A_2012-06-21_0_9_%s_10", "A_2012-06-21_0_5_%s_50", "B_2012-06-21_0_9_%s_10")]
    messages = [tmp_path / name.replace("%s", "message") for name in names]
    like_the_first = tmp_path / names[0].replace("%s", "orderbook")
    of_the_day = tmp_path / "A_2012-06-21_0_9_orderbook_1.csv"
    for file in messages:
        file.write_text("34200.0,1,1,5,1000000,1\n")
    for file in (like_the_first, of_the_day):
        file.write_text("9999999999,0,1000000,5\n")
    found = find_recordings([of_the_day, like_the_first, *messages])
    assert [(each.messages, each.books) for each in found] == [
        (messages[0], like_the_first),
        (messages[1], of_the_day),
        (messages[2], None),
    ]
    assert find_recordings([messages[2], of_the_day])[0].books == of_the_day
