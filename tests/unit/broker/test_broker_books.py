"""The books of a venue beside a count from scratch, and their keeper."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.broker.domain.account import account_of
from services.broker.domain.books import Book, BookPosition, Fill
from services.broker.domain.terms import Terms
from services.broker.pipeline.books import Books
from services.kernel.errors import CodedError, unavailable
from tests.fakes.broker_store import FakeBrokerStore

fills = st.builds(
    Fill,
    st.sampled_from((1, 2)),
    st.integers(-50, 50).filter(bool),
    st.integers(1, 10_000),
    st.decimals(0, 5, places=4),
)


def naive_cost(those: list[Fill]) -> tuple[int, Fraction]:
    """The average cost method, in fractions."""
    lots, cost = 0, Fraction(0)
    for fill in those:
        after = lots + fill.lots
        if lots == 0 or (lots > 0) == (fill.lots > 0):
            cost += fill.lots * fill.price_ticks
        elif after and (after > 0) == (lots > 0):
            cost = cost * after / lots
        else:
            cost = Fraction(after * fill.price_ticks)
        lots = after
    return lots, cost


@given(st.lists(fills, max_size=40))
def test_books_are_the_sum_of_their_fills(those: list[Fill]) -> None:
    """Position, money, fees and cost equal those counted from all fills at once."""
    book = Book()
    book.apply(those, len(those))
    for number, position in book.positions.items():
        mine = [fill for fill in those if fill.venue_number == number]
        lots, cost = naive_cost(mine)
        assert position.lots == lots == position.bought_lots - position.sold_lots
        assert position.paid == sum(fill.lots * fill.price_ticks for fill in mine)
        assert position.fees == sum((fill.fee for fill in mine), Decimal(0))
        assert abs(Fraction(position.cost) - cost) < Fraction(1, 10**9)


def test_account_tells_money_and_average_price() -> None:
    """Ticks and lots become decimals with the instrument's steps and multiplier."""
    terms = Terms("ESZ6.XCME", 3, "USD", Decimal("0.25"), Decimal(1), Decimal(50))
    position = BookPosition(3)
    position.apply(Fill(3, 2, 20_000, Decimal(5)))
    account = account_of([position, BookPosition(3)], {3: terms}.__getitem__)
    assert account.positions[0].average_price == 5_000
    assert account.funds[0].balance == -500_005


def test_what_is_held_outright_is_bought_and_no_future() -> None:
    """A long share is a holding; a long future, a short share and a closed position are none."""
    kinds = {
        1: ("LONG.XNAS", True, 2),
        2: ("ESZ6.XCME", False, 2),
        3: ("SHORT.XNAS", True, -2),
        4: ("SHUT.XNAS", True, 0),
    }
    terms = {
        number: Terms(name, number, "USD", Decimal(1), Decimal(1), Decimal(1), held_outright=outright)
        for number, (name, outright, _) in kinds.items()
    }
    positions = []
    for number, (_, _, lots) in kinds.items():
        position = BookPosition(number)
        for each in (lots,) if lots else (3, -3):
            position.apply(Fill(number, each, 10, Decimal(0)))
        positions.append(position)
    account = account_of(positions, terms.__getitem__)
    assert [each.instrument for each in account.holdings] == ["LONG.XNAS"]


async def test_failed_save_is_made_up_for() -> None:
    """What could not be saved is saved the next time, and a book that is up to date is not saved again."""
    store = FakeBrokerStore()
    books = Books(store)
    book = books.of("simulation", 0)
    book.begin_anew("e")
    book.apply([Fill(1, 5, 100, Decimal(0))], 3)
    store.broken = True
    with pytest.raises(CodedError):
        await books.save()
    assert book.unsaved
    store.broken = False
    await books.turn(_never)
    assert not book.unsaved
    again = Books(store)
    await again.load()
    kept = again.of("simulation", 0)
    assert (kept.epoch, kept.sequence, kept.positions[1].lots, again.shards("simulation")) == ("e", 3, 5, [0])


async def test_book_behind_is_caught_up_at_the_next_turn() -> None:
    """A book that missed reports is caught up; when that fails, the turn after tries again."""
    books = Books(FakeBrokerStore())
    book = books.of("simulation", 0)
    book.behind = True
    calls: list[int] = []

    async def catch_up(connection_id: str, shard: int, behind: Book) -> None:
        calls.append(shard)
        if len(calls) == 1:
            raise unavailable("VENUE_UNAVAILABLE", "away")
        behind.behind = False

    for _ in range(3):
        await books.turn(catch_up)
    assert calls == [0, 0]


async def test_venue_of_another_epoch_clears_the_books() -> None:
    """When the venue has lost its history the positions go, in the store too."""
    store = FakeBrokerStore()
    books = Books(store)
    book = books.of("simulation", 0)
    book.begin_anew("one")
    book.apply([Fill(1, 5, 100, Decimal(0))], 3)
    await books.save()
    book.begin_anew("two")
    await books.save()
    assert store.books["simulation", 0].positions == {}
    assert store.books["simulation", 0].sequence == 0


async def _never(connection_id: str, shard: int, book: Book) -> None:
    raise AssertionError("nothing is behind")
