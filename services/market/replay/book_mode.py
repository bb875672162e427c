"""Book mode: the book rebuilt from the messages must be the published one, level by level, after every message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from services.kernel.errors import invalid_field
from services.market.replay.known_book import EVERYTHING, KnownBook, rank_of
from services.market.replay.lobster import Level, Message, MessageType, PublishedBook, Side

UNCOVERED = "uncovered from beyond the published levels"
"""Kind of unknowable level: it rested deeper than was ever published, and came up as better ones emptied."""

BEYOND_MESSAGES = "beyond the levels that the messages cover"
"""Kind of unknowable level: it lay so deep for a time that messages about it are not in the file."""

MAX_EXAMPLES = 5


@dataclass(slots=True)
class Comparison:
    """What came of comparing a replay with the published book.

    Attributes:
        messages: Messages applied after the seed row.
        rows: Published rows compared.
        rows_equal: Rows of which every level that can be known was equal.
        levels_equal: Levels compared and equal.
        unknowable: Levels that cannot be known, by kind.
        different: Levels that differ without an explanation.
        examples: The first differences, in words.
        orders_before_file: Messages that name an order from before the file.
    """

    messages: int = 0
    rows: int = 0
    rows_equal: int = 0
    levels_equal: int = 0
    unknowable: Counter[str] = field(default_factory=Counter)
    different: int = 0
    examples: list[str] = field(default_factory=list)
    orders_before_file: int = 0

    def differ(self, text: str) -> None:
        """Counts a difference without an explanation."""
        self.different += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(text)


def compare_books(
    messages: Iterable[Message], books: Iterable[PublishedBook], message_depth: int
) -> Iterator[tuple[Message, Comparison]]:
    """Replays messages from the first published row on and compares every later row.

    The row of a message is the next one when the message touches a level that the rows show; a book file as deep as the
    messages thus has one row for each message, and a shallower one (best bid and ask of a whole day, say) a row for
    each message about its levels.

    Args:
        messages: All messages, the one before the first row included.
        books: Published rows; the first is the book after the first message.
        message_depth: Number of levels that the messages cover.

    Yields:
        Each message with the comparison so far (the same object each time).

    Raises:
        CodedError: INVALID_FIELD, when there is no row to begin with.
    """
    rows = iter(books)
    published = next(rows, None)
    if published is None:
        raise invalid_field("file", "the order book file has no row to begin with")
    replay = _Replay(KnownBook(message_depth), published, Comparison())
    for number, message in enumerate(messages):
        if number == 0:
            replay.book.remember(message)
        else:
            replay.book.apply(message)
            replay.comparison.messages += 1
            if replay.has_row(message):
                following = next(rows, None)
                if following is None:
                    return
                replay.compare(following, number + 1)
        yield message, replay.comparison


class _Replay:
    """The book so far, the row it was last compared with, and the outcome."""

    def __init__(self, book: KnownBook, seed: PublishedBook, comparison: Comparison) -> None:
        self.book = book
        self.published = seed
        self.comparison = comparison
        for side in Side:
            self._learn(side, seed)

    def has_row(self, message: Message) -> bool:
        """Tells whether the book file has a row for a message."""
        if self.published.depth >= self.book.message_depth or message.type not in _BOOK_CHANGES:
            return True
        levels = self.published.side(message.side)
        if len(levels) < self.published.depth:
            return True
        return rank_of(message.side, message.price) <= rank_of(message.side, levels[-1].price)

    def compare(self, published: PublishedBook, number: int) -> None:
        """Compares the book with the row after message `number`, and learns what it could not know."""
        differences = self.comparison.different
        for side in Side:
            self._compare_side(side, published, number)
            self._learn(side, published)
        self.comparison.rows += 1
        self.comparison.rows_equal += differences == self.comparison.different
        self.comparison.orders_before_file = self.book.before_file
        self.published = published

    def _compare_side(self, side: Side, published: PublishedBook, number: int) -> None:
        book_side = self.book.sides[side]
        worst = _worst_rank(side, published)
        shown = published.side(side)
        known = [level for level in shown if book_side.knows(rank_of(side, level.price))]
        ours = [
            level
            for level in self.book.levels(side, published.depth)
            if book_side.knows(rank := rank_of(side, level.price)) and rank <= worst
        ]
        for our_level, published_level in zip_longest(ours, known):
            if our_level == published_level:
                self.comparison.levels_equal += 1
            else:
                self._differ(side, number, our_level, published_level)
        if unknowable := len(shown) - len(known):
            kind = BEYOND_MESSAGES if len(book_side.ranks) >= self.book.message_depth else UNCOVERED
            self.comparison.unknowable[kind] += unknowable

    def _learn(self, side: Side, published: PublishedBook) -> None:
        """Takes over what no message could tell of: all up to the worst level shown is known now."""
        shown = {rank_of(side, level.price): level.size for level in published.side(side)}
        self.book.sides[side].learn(shown, _worst_rank(side, published))

    def _differ(self, side: Side, number: int, ours: Level | None, published: Level | None) -> None:
        def words(level: Level | None) -> str:
            return f"{level.size} at {level.price}" if level else "nothing"

        self.comparison.differ(f"message {number}, {side.name.lower()}: {words(ours)}, published {words(published)}")


_BOOK_CHANGES = frozenset(
    {MessageType.ADD, MessageType.PARTIAL_CANCEL, MessageType.DELETE, MessageType.VISIBLE_EXECUTION}
)


def _worst_rank(side: Side, published: PublishedBook) -> int:
    """Returns the rank up to which a row shows everything."""
    levels = published.side(side)
    return rank_of(side, levels[-1].price) if len(levels) == published.depth else EVERYTHING
