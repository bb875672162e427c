"""Order books by level, and the changes between two views of one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.marketdata.domain.book import (
    EMPTY_VIEW,
    Book,
    BookSide,
    BookView,
    Level,
    apply_changes,
    view_changes,
)

PRICES = st.integers(-5, 25)
CHANGES = st.lists(st.tuples(st.booleans(), PRICES, st.integers(0, 4), st.integers(1, 9)), max_size=80)


def naive_top(levels: dict[int, Level], depth: int, *, bids: bool) -> tuple[Level, ...]:
    """What the best levels are, found by looking at all."""
    return tuple(sorted(levels.values(), key=lambda level: level.price, reverse=bids))[:depth]


def changed_book(changes: list[tuple[bool, int, int, int]]) -> tuple[Book, dict[bool, dict[int, Level]]]:
    """A book after changes, and the same kept naively."""
    book = Book()
    naive: dict[bool, dict[int, Level]] = {True: {}, False: {}}
    for bid, price, quantity, orders in changes:
        (book.bids if bid else book.asks).set(price, quantity, orders)
        if quantity:
            naive[bid][price] = Level(price, quantity, orders)
        else:
            naive[bid].pop(price, None)
    return book, naive


@given(CHANGES, st.integers(0, 30))
def test_a_book_equals_the_naive_one_after_any_changes(changes: list[tuple[bool, int, int, int]], depth: int) -> None:
    """Best level, number of levels and the best so many levels are those of a book that sorts everything."""
    book, naive = changed_book(changes)
    for side, bids in ((book.bids, True), (book.asks, False)):
        assert side.top(depth) == naive_top(naive[bids], depth, bids=bids)
        assert side.best == next(iter(naive_top(naive[bids], 1, bids=bids)), None)
        assert len(side) == len(naive[bids])


@given(CHANGES, CHANGES, st.integers(1, 6))
def test_changes_lead_from_one_view_to_the_next(
    before: list[tuple[bool, int, int, int]], more: list[tuple[bool, int, int, int]], depth: int
) -> None:
    """Applying the changes between two views to the first gives the second, and changes of equal views are none."""
    old = changed_book(before)[0].top(depth)
    new = changed_book([*before, *more])[0].top(depth)
    assert apply_changes(old, view_changes(old, new)) == new
    assert view_changes(new, new) == EMPTY_VIEW


@given(CHANGES)
def test_a_loaded_book_equals_the_one_it_was_made_from(changes: list[tuple[bool, int, int, int]]) -> None:
    """A book restored from all levels of another is the same book."""
    book, _ = changed_book(changes)
    other = Book()
    other.bids.set(99, 1, 1)
    view = book.top(100)
    other.load(view.bids, view.asks)
    assert other.top(100) == view


def test_changes_tell_levels_that_left_with_quantity_zero() -> None:
    """A level that leaves the view, though it still rests in the book, is told as gone; best levels come first."""
    before = BookView((Level(10, 5, 1), Level(9, 5, 1)), ())
    after = BookView((Level(11, 1, 1), Level(10, 5, 1)), ())
    assert view_changes(before, after) == BookView((Level(11, 1, 1), Level(9, 0, 0)), ())


def test_removing_an_unknown_level_changes_nothing() -> None:
    """A level that is not there may be removed."""
    side = BookSide(bids=False)
    side.set(5, 0, 0)
    assert side.best is None
    assert side.top(3) == ()
