"""What the bus is told of values: changes alone, a bounded number in one turn, and in the end all of them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from services.portfolio.domain.account import NewAccount
from services.portfolio.domain.booking import Books, book
from services.portfolio.domain.fill import Fill, InstrumentTerms
from services.portfolio.domain.price import Price
from services.portfolio.domain.values import Environment, PriceSource, Side
from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.ports import Cursor
from services.portfolio.pipeline.prices import PriceBoard
from services.portfolio.pipeline.publisher import ValuePublisher
from services.portfolio.pipeline.valuer import Valuer
from tests.fakes.clock import FakeClock

TERMS = InstrumentTerms("AAPL.XNAS", "USD", Decimal(1))


class World:
    """Some accounts with a share each, a price, and what was published."""

    def __init__(self, account_ids: Sequence[str], *, most_per_turn: int = 100) -> None:
        clock = FakeClock()
        self.ledger, self.board, self.published = Ledger(), PriceBoard(), list[str]()
        for account_id in account_ids:
            new = NewAccount(account_id, "", Environment.SIMULATION, "USD", ())
            self.ledger.add_account(*new.open(f"p-{account_id}", clock.now()))
        self.clock = clock
        self.buy(*account_ids)
        self.publisher = ValuePublisher(
            self.ledger,
            self.board,
            Valuer(self.ledger, self.board, clock),
            lambda appraisal: self.published.append(appraisal.portfolio.account_id),
            most_per_turn=most_per_turn,
        )

    def buy(self, *account_ids: str) -> None:
        """Books a share for each of some accounts."""
        first = self.ledger.cursor().sequence + 1
        fills = [
            Fill(f"t{n}", account_id, TERMS.name, Side.BUY, Decimal(10), Decimal(1), Decimal(0), n, n)
            for n, account_id in enumerate(account_ids, first)
        ]
        books = Books(self.ledger.accounts, self.ledger.positions, {TERMS.name: TERMS}, self.ledger.sequence)
        self.ledger.apply(book(books, fills, self.clock.now()), Cursor("e", fills[-1].sequence))

    def price(self, value: int) -> None:
        """Sets the price of the share."""
        self.board.update(TERMS, Price(Decimal(value), PriceSource.MID))

    async def turn(self) -> list[str]:
        """Returns what one turn publishes."""
        self.published.clear()
        await self.publisher.turn()
        return sorted(self.published)


async def test_an_account_is_published_when_something_of_it_changed() -> None:
    """A booking of its own, or a price of what it holds; otherwise it is not told again."""
    world = World(["a", "b"])
    assert await world.turn() == ["a", "b"]
    assert await world.turn() == []
    world.buy("b")
    assert await world.turn() == ["b"]
    world.price(11)
    assert await world.turn() == ["a", "b"]
    world.price(11)
    assert await world.turn() == []


async def test_a_turn_is_bounded_and_the_next_goes_on() -> None:
    """Five accounts, two a turn: after three turns each was told once."""
    names = [f"a{n}" for n in range(5)]
    world = World(names, most_per_turn=2)
    turns = [await world.turn() for _ in range(3)]
    assert [len(turn) for turn in turns] == [2, 2, 1]
    assert sorted(name for turn in turns for name in turn) == names
