"""A book kept from changes equals the book itself."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ordermesh.marketdata.v1 import book_pb2
from services.cli.book_state import BookState

Levels = dict[int, int]


def levels(side: Levels) -> list[book_pb2.BookLevel]:
    """Returns levels, in any order."""
    return [book_pb2.BookLevel(price=str(p), quantity=str(q), order_count=1) for p, q in side.items()]


def told(state: BookState) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Returns the levels of both sides, best first."""
    rows = state.levels(1000)
    return [(b.price, b.quantity) for b, _ in rows if b], [(a.price, a.quantity) for _, a in rows if a]


def test_a_whole_book_replaces_what_was_there() -> None:
    """Also as a change that says that it is whole."""
    state = BookState("A.X")
    state.replace(book_pb2.OrderBook(bids=levels({9: 1}), asks=levels({11: 1}), sequence=5))
    assert state.apply(book_pb2.OrderBookChange(whole=True, bids=levels({8: 2}), sequence=20))
    assert told(state) == ([("8", "2")], [])


def test_a_missing_change_is_noticed() -> None:
    """The change names the one before it."""
    state = BookState("A.X")
    state.replace(book_pb2.OrderBook(sequence=5))
    assert not state.apply(book_pb2.OrderBookChange(previous_sequence=6, sequence=7))
    assert state.apply(book_pb2.OrderBookChange(previous_sequence=5, sequence=7))


def test_rows_are_as_long_as_the_longer_side() -> None:
    """A side without a level there has none, and prices are ordered as numbers."""
    state = BookState("A.X")
    state.replace(book_pb2.OrderBook(bids=levels({9: 1, 10: 2, 8: 3}), asks=levels({100: 1})))
    rows = state.levels(2)
    assert [bid.price for bid, _ in rows if bid] == ["10", "9"]
    assert rows[1][1] is None


sides = st.dictionaries(st.integers(1, 20), st.integers(0, 5), max_size=8)


@given(st.lists(st.tuples(sides, sides), max_size=12))
def test_changes_add_up_to_the_book(changes: list[tuple[Levels, Levels]]) -> None:
    """Against two dictionaries that only set and delete."""
    state, bids, asks = BookState("A.X"), dict[int, int](), dict[int, int]()
    for number, (bid, ask) in enumerate(changes):
        change = book_pb2.OrderBookChange(
            previous_sequence=number, sequence=number + 1, bids=levels(bid), asks=levels(ask)
        )
        assert state.apply(change)
        for side, new in ((bids, bid), (asks, ask)):
            side.update(new)
            for price in [price for price, quantity in side.items() if not quantity]:
                del side[price]
    assert told(state) == (
        [(str(p), str(bids[p])) for p in sorted(bids, reverse=True)],
        [(str(p), str(asks[p])) for p in sorted(asks)],
    )
    assert all(isinstance(price, Decimal) for price in state.bids)
