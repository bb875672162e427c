"""Tells when a portfolio's worth may have changed, and which of its positions did; folds what nobody asked for yet."""

from __future__ import annotations

from dataclasses import dataclass

from services.bus.fanout import Reader
from services.portfolio.domain.account import Portfolio
from services.portfolio.domain.price import Price
from services.portfolio.domain.valuation import Valuation
from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.prices import PriceBoard
from services.portfolio.pipeline.valuer import Appraisal, Valued, Valuer


@dataclass(frozen=True, slots=True)
class Change:
    """What is new of a portfolio.

    Attributes:
        appraisal: What it is worth.
        positions: The positions that changed, by fill or by price, by instrument.
        folded: Changes that were folded into this one.
    """

    appraisal: Appraisal
    positions: list[Valued]
    folded: int


class PortfolioWatch:
    """Watches one portfolio for one reader. Close it in the end."""

    def __init__(self, ledger: Ledger, board: PriceBoard, valuer: Valuer, portfolio: Portfolio) -> None:
        self._ledger, self._board, self._valuer = ledger, board, valuer
        self._portfolio = portfolio
        self._account = ledger.account(portfolio.account_id)
        self._sequences: dict[str, int] = {}
        self._pair_count = 0
        self._touched = False
        self._told: Valuation | None = None
        self._reader = self._subscribe()
        self._stop_listening = ledger.listen(portfolio.account_id, self._touch)

    def wake(self) -> None:
        """Makes who waits look around, though nothing has changed."""
        self._reader.wake()

    async def wait(self, timeout_seconds: float) -> bool:
        """Waits for a change; returns False when none came in that time."""
        return self._touched or await self._reader.wait(timeout_seconds)

    def all(self) -> Change:
        """Returns the whole: every open position; what had changed before counts as told."""
        self._take_prices()
        self._take_bookings()
        appraisal = self._appraise()
        self._told = appraisal.valuation
        return Change(appraisal, self._valuer.positions(self._portfolio, include_closed=False), 0)

    def take(self) -> Change | None:
        """Returns what has changed since it was last asked; None when nothing has.

        Raises:
            CodedError: UNKNOWN_PORTFOLIO, when the portfolio was deleted.
        """
        prices, folded = self._take_prices()
        booked, terms_changed = self._take_bookings()
        if not (prices or booked or terms_changed):
            return None
        positions = self._valuer.positions(self._portfolio, include_closed=True)
        changed = [
            valued
            for valued in positions
            if valued.position.instrument in booked
            or (valued.position.instrument in prices and valued.position.is_open)
        ]
        appraisal = self._appraise()
        if not (booked or terms_changed or changed) and appraisal.valuation == self._told:
            return None  # the rate of a currency that the portfolio has nothing in
        self._told = appraisal.valuation
        return Change(appraisal, changed, folded)

    def close(self) -> None:
        """Ends the watch."""
        self._stop_listening()
        self._reader.close()

    def _touch(self) -> None:
        self._touched = True
        self._reader.wake()

    def _take_prices(self) -> tuple[set[str], int]:
        latest = self._reader.take()
        return {each.key for each in latest}, sum(each.folded for each in latest)

    def _take_bookings(self) -> tuple[set[str], bool]:
        touched, self._touched = self._touched, False
        if touched or len(self._board.pairs) != self._pair_count:
            return self._compare()
        return set(), False

    def _compare(self) -> tuple[set[str], bool]:
        sequences, terms = self._sequences, (self._portfolio, self._account)
        self._portfolio = self._ledger.portfolio(self._portfolio.portfolio_id)
        self._account = self._ledger.account(self._portfolio.account_id)
        self._reader.close()
        self._reader = self._subscribe()
        changed = {name for name, sequence in self._sequences.items() if sequences.get(name) != sequence}
        same_account = terms[1] is self._account or not self._portfolio.account_own
        return changed, terms[0] != self._portfolio or not same_account

    def _subscribe(self) -> Reader[str, Price | None]:
        self._sequences = {each.instrument: each.sequence for each in self._valuer.held(self._portfolio)}
        self._pair_count = len(self._board.pairs)
        reader = self._board.subscribe({*self._sequences, *self._board.pairs})
        reader.take()  # what is there already is no change
        return reader

    def _appraise(self) -> Appraisal:
        return self._valuer.appraise(self._portfolio)
