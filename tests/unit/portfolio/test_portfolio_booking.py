"""Booking batches of fills into accounts and positions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.portfolio.domain.account import Account, NewAccount
from services.portfolio.domain.booking import Booked, Books, book
from services.portfolio.domain.fill import Fill, InstrumentTerms
from services.portfolio.domain.values import Environment, Side

D = Decimal
NOW = datetime(2026, 1, 2, tzinfo=UTC)
TERMS = {
    "AAPL.XNAS": InstrumentTerms("AAPL.XNAS", "USD", D(1)),
    "ES.XCME": InstrumentTerms("ES.XCME", "USD", D(50)),
    "BTC-USDT.BINANCE": InstrumentTerms("BTC-USDT.BINANCE", "USDT", D(1), "BTC"),
}


def account(account_id: str, **cash: int) -> Account:
    """Returns an account with some cash."""
    balances = tuple((currency, D(amount)) for currency, amount in cash.items())
    return NewAccount(account_id, "", Environment.SIMULATION, "USD", balances).open(f"p-{account_id}", NOW)[0]


def fill(sequence: int, account_id: str, instrument: str, side: Side, quantity: int, price: int) -> Fill:
    """Returns a fill that costs a fee of half a unit."""
    return Fill(f"t{sequence}", account_id, instrument, side, D(price), D(quantity), D("0.5"), sequence, sequence)


def books(*accounts: Account, sequence: int = 0) -> Books:
    """Returns books without positions."""
    return Books({each.account_id: each for each in accounts}, {}, TERMS, sequence)


def test_a_batch_moves_cash_and_positions_of_every_account_in_it() -> None:
    """Two accounts and two currencies in one batch, the multiplier and the fee included."""
    booked = book(
        books(account("a", USD=1000), account("b")),
        [
            fill(3, "a", "AAPL.XNAS", Side.BUY, 2, 100),
            fill(5, "b", "ES.XCME", Side.SELL, 1, 10),
            fill(6, "a", "BTC-USDT.BINANCE", Side.BUY, 1, 7),
            fill(9, "a", "AAPL.XNAS", Side.SELL, 1, 110),
        ],
        NOW,
    )
    a, b = booked.accounts["a"], booked.accounts["b"]
    assert a.balance("USD").amount == D(1000) - 200 + 110 - 1
    assert a.balance("USD").opening == D(1000)
    assert a.balance("USDT").amount == D("-7.5")
    assert b.balance("USD").amount == D("499.5")
    assert booked.positions["a", "AAPL.XNAS"].quantity == D(1)
    assert booked.positions["b", "ES.XCME"].cost == D(-500)


def test_changes_are_numbered_without_gaps_in_the_log_and_in_each_account() -> None:
    """The log goes on after what the books had; each account counts its own."""
    booked = book(
        books(account("a"), account("b"), sequence=40),
        [fill(n, "ab"[n % 2], "AAPL.XNAS", Side.BUY, 1, 1) for n in range(1, 6)],
        NOW,
    )
    assert [change.sequence for change in booked.changes] == [41, 42, 43, 44, 45]
    assert [change.account_sequence for change in booked.changes] == [1, 1, 2, 2, 3]
    assert [change.position.sequence for change in booked.changes] == [41, 42, 43, 44, 45]


def test_each_change_tells_what_its_fill_realised_and_the_cash_after_it() -> None:
    """Only the second of the two realises; cash is told after each."""
    booked = book(
        books(account("a")),
        [fill(1, "a", "AAPL.XNAS", Side.BUY, 2, 100), fill(2, "a", "AAPL.XNAS", Side.SELL, 1, 110)],
        NOW,
    )
    assert [change.realised_profit for change in booked.changes] == [D(0), D(10)]
    assert [change.cash for change in booked.changes] == [D("-200.5"), D("-91.0")]


def test_the_books_that_were_given_stay_as_they_are() -> None:
    """What is not committed leaves no trace."""
    before = books(account("a", USD=5))
    book(before, [fill(1, "a", "AAPL.XNAS", Side.BUY, 1, 1)], NOW)
    assert before.accounts["a"].balance("USD").amount == D(5)
    assert not before.positions


batches = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(sorted(TERMS)), st.sampled_from(Side), st.integers(1, 9)),
    max_size=40,
).map(lambda rows: [fill(n, *row, n % 7 + 1) for n, row in enumerate(rows, 1)])


def apply(start: Books, parts: Sequence[Sequence[Fill]]) -> tuple[Books, Booked]:
    """Books batch after batch; returns the books afterwards and all changes."""
    everything = Booked(NOW)
    for part in parts:
        booked = book(start, part, NOW)
        positions = {name: dict(held) for name, held in start.positions.items()}
        for (owner, name), position in booked.positions.items():
            positions.setdefault(owner, {})[name] = position
        start = Books({**start.accounts, **booked.accounts}, positions, TERMS, start.sequence + len(booked.changes))
        everything.changes += booked.changes
    return start, everything


@given(batches, st.integers(0, 40))
def test_it_does_not_matter_how_fills_are_batched(fills: list[Fill], cut: int) -> None:
    """One batch or two: the same books, the same changes."""
    start = books(account("a", USD=100), account("b"))
    whole, changes = apply(start, [fills])
    parts, changes_of_parts = apply(start, [fills[:cut], fills[cut:]])
    assert whole == parts
    assert changes.changes == changes_of_parts.changes


@given(batches)
def test_cash_follows_from_the_fills_alone(fills: list[Fill]) -> None:
    """Cash in each currency = opening - the sum of signed quantity x price x multiplier and fees: a naive sum."""
    end, _ = apply(books(account("a", USD=100), account("b")), [fills])
    for owner in "ab":
        for currency in ("USD", "USDT"):
            own = [f for f in fills if f.account_id == owner and TERMS[f.instrument].currency == currency]
            paid = sum(f.signed_quantity * f.price * TERMS[f.instrument].multiplier + f.fee for f in own)
            opening = 100 if (owner, currency) == ("a", "USD") else 0
            assert end.accounts[owner].balance(currency).amount == opening - paid
