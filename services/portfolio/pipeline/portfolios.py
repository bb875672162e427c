"""Making and changing portfolios of chosen instruments."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from services.kernel.clock import Clock
from services.kernel.errors import (
    CodedError,
    ErrorKind,
    FieldViolation,
    aborted,
    already_exists,
    not_found,
    precondition,
)
from services.kernel.identifiers import Identifiers
from services.portfolio.domain.account import Portfolio
from services.portfolio.pipeline.books import Books
from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.ports import Instruments


@dataclass(frozen=True, slots=True)
class PortfolioTerms:
    """What a caller says of a portfolio; an empty base currency means the one there is, or the account's."""

    name: str
    description: str
    base_currency: str


class Portfolios:
    """Changes portfolios, one change at a time."""

    def __init__(self, books: Books, instruments: Instruments, clock: Clock, identifiers: Identifiers) -> None:
        self._books, self._instruments = books, instruments
        self._clock, self._identifiers = clock, identifiers

    async def create(self, account_id: str, terms: PortfolioTerms, instruments: Collection[str]) -> Portfolio:
        """Makes a portfolio.

        Raises:
            CodedError: UNKNOWN_ACCOUNT; UNKNOWN_INSTRUMENT; ALREADY_EXISTS; STORE_UNAVAILABLE.
        """
        account = self._books.ledger.account(account_id)
        for index, name in enumerate(sorted(instruments)):
            await self._require_instrument(name, f"instruments[{index}]")
        now = self._clock.now()
        portfolio = Portfolio(
            portfolio_id=self._identifiers.new_id(),
            account_id=account_id,
            name=terms.name,
            description=terms.description,
            base_currency=terms.base_currency or account.base_currency,
            account_own=False,
            instruments=frozenset(instruments),
            version=1,
            created_at=now,
            updated_at=now,
        )
        async with self._books.portfolios() as writer:
            _require_free_name(writer.ledger, portfolio)
            return await writer.put(portfolio)

    async def update(self, portfolio_id: str, terms: PortfolioTerms, version: int) -> Portfolio:
        """Changes the terms of a portfolio.

        Raises:
            CodedError: UNKNOWN_PORTFOLIO; PORTFOLIO_NOT_EDITABLE; VERSION_MISMATCH; ALREADY_EXISTS; STORE_UNAVAILABLE.
        """
        async with self._books.portfolios() as writer:
            before = _editable(writer.ledger, portfolio_id)
            if version not in {0, before.version}:
                raise aborted(
                    "VERSION_MISMATCH", f"the portfolio is at version {before.version}", version=str(before.version)
                )
            changed = replace(
                before,
                name=terms.name,
                description=terms.description,
                base_currency=terms.base_currency or before.base_currency,
            )
            _require_free_name(writer.ledger, changed)
            return before if changed == before else await writer.put(self._next(changed))

    async def delete(self, portfolio_id: str) -> Portfolio:
        """Deletes a portfolio, and returns what it was.

        Raises:
            CodedError: UNKNOWN_PORTFOLIO; PORTFOLIO_NOT_EDITABLE; STORE_UNAVAILABLE.
        """
        async with self._books.portfolios() as writer:
            return await writer.delete(_editable(writer.ledger, portfolio_id))

    async def add(self, portfolio_id: str, instrument: str) -> Portfolio:
        """Puts an instrument into a portfolio.

        Raises:
            CodedError: UNKNOWN_PORTFOLIO; PORTFOLIO_NOT_EDITABLE; UNKNOWN_INSTRUMENT; STORE_UNAVAILABLE.
        """
        _editable(self._books.ledger, portfolio_id)
        await self._require_instrument(instrument, "instrument")
        async with self._books.portfolios() as writer:
            before = _editable(writer.ledger, portfolio_id)
            if instrument in before.instruments:
                return before
            return await writer.put(self._next(replace(before, instruments=before.instruments | {instrument})))

    async def remove(self, portfolio_id: str, instrument: str) -> Portfolio:
        """Takes an instrument out of a portfolio.

        Raises:
            CodedError: UNKNOWN_PORTFOLIO; PORTFOLIO_NOT_EDITABLE; UNKNOWN_POSITION; STORE_UNAVAILABLE.
        """
        async with self._books.portfolios() as writer:
            before = _editable(writer.ledger, portfolio_id)
            if instrument not in before.instruments:
                raise not_found("UNKNOWN_POSITION", f"{instrument} is not in portfolio {before.name}")
            return await writer.put(self._next(replace(before, instruments=before.instruments - {instrument})))

    def _next(self, portfolio: Portfolio) -> Portfolio:
        return replace(portfolio, version=portfolio.version + 1, updated_at=self._clock.now())

    async def _require_instrument(self, name: str, field: str) -> None:
        if await self._instruments.find(name) is None:
            text = f"no instrument {name}"
            violations = (FieldViolation(field, text),)
            raise CodedError(ErrorKind.NOT_FOUND, "UNKNOWN_INSTRUMENT", text, violations=violations)


def _editable(ledger: Ledger, portfolio_id: str) -> Portfolio:
    portfolio = ledger.portfolio(portfolio_id)
    if portfolio.account_own:
        raise precondition("PORTFOLIO_NOT_EDITABLE", "the portfolio is the account's own and cannot be changed by hand")
    return portfolio


def _require_free_name(ledger: Ledger, portfolio: Portfolio) -> None:
    for other in ledger.portfolios_of(portfolio.account_id):
        if other.name == portfolio.name and other.portfolio_id != portfolio.portfolio_id:
            raise already_exists(
                "ALREADY_EXISTS",
                f"account {portfolio.account_id} has a portfolio named {portfolio.name}",
                portfolio_id=other.portfolio_id,
            )
