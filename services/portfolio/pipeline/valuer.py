"""What an account and its portfolios are worth at this moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.kernel.clock import Clock
from services.portfolio.domain.account import Portfolio
from services.portfolio.domain.position import Position
from services.portfolio.domain.price import Price
from services.portfolio.domain.valuation import Valuation, value
from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.prices import PriceBoard


@dataclass(frozen=True, slots=True)
class Valued:
    """A position and the price that it is valued at; None while there is none."""

    position: Position
    price: Price | None


@dataclass(frozen=True, slots=True)
class Appraisal:
    """What a portfolio is worth.

    Attributes:
        portfolio: The portfolio.
        valuation: What it is worth.
        at_ns: When it was valued, in nanoseconds since 1970.
        as_of: Sequence of the order log that it reflects.
        sequence: Place in the log of positions that it reflects.
    """

    portfolio: Portfolio
    valuation: Valuation
    at_ns: int
    as_of: int
    sequence: int


class Valuer:
    """Values what the ledger holds with what the price board says."""

    def __init__(self, ledger: Ledger, board: PriceBoard, clock: Clock) -> None:
        self._ledger, self._board, self._clock = ledger, board, clock

    def valued(self, position: Position) -> Valued:
        """Returns a position with its price."""
        return Valued(position, self._board.price(position.instrument))

    def positions(self, portfolio: Portfolio, *, include_closed: bool) -> list[Valued]:
        """Returns a portfolio's positions by instrument."""
        return [self.valued(position) for position in self.held(portfolio) if position.is_open or include_closed]

    def held(self, portfolio: Portfolio) -> Iterable[Position]:
        """Returns a portfolio's positions by instrument, closed ones included."""
        of_account = self._ledger.positions_of(portfolio.account_id)
        return [of_account[name] for name in sorted(of_account) if portfolio.holds(name)]

    def appraise(self, portfolio: Portfolio) -> Appraisal:
        """Returns what a portfolio is worth."""
        account = self._ledger.account(portfolio.account_id)
        balances = account.balances if portfolio.account_own else {}
        valuation = value(
            portfolio.base_currency, balances, self.held(portfolio), self._board.prices, self._board.rates()
        )
        as_of = self._ledger.as_of(portfolio.account_id)
        return Appraisal(portfolio, valuation, self._clock.now_ns(), as_of, self._ledger.sequence)
