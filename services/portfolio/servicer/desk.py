"""What the methods of the service share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from services.kernel.clock import Clock
from services.kernel.errors import invalid_field
from services.mesh.access.accounts import AccountAccess
from services.mesh.draining import Draining
from services.mesh.pages import Paged, Pages
from services.mesh.streams import Hub
from services.portfolio.domain.account import Account, Portfolio
from services.portfolio.pipeline.books import Books
from services.portfolio.pipeline.cash import Cash
from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.portfolios import Portfolios
from services.portfolio.pipeline.ports import LoggedChange
from services.portfolio.pipeline.prices import PriceBoard
from services.portfolio.pipeline.valuer import Valuer

T = TypeVar("T")

DEFAULT_PAGE_SIZE = 100


class ChangeHistory(Protocol):
    """Entries of the log of positions that a stream has missed."""

    async def of_account(self, account_id: str, after: int, up_to: int, limit: int) -> list[tuple[int, bytes]]:
        """Returns sequence and payload of an account's entries after one sequence and up to another, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that answers are made of. `access` tells what lists leave out; None: nothing."""

    ledger: Ledger
    books: Books
    portfolios: Portfolios
    valuer: Valuer
    board: PriceBoard
    hub: Hub[LoggedChange]
    history: ChangeHistory
    epoch: str
    draining: Draining
    clock: Clock
    cash: Cash
    access: AccountAccess | None = None

    def sees(self, account: Account) -> bool:
        """Tells whether the caller reaches an account; everybody does where nobody looks at callers."""
        return self.access is None or self.access.sees(account.account_id, account.environment.value)


class ByIdOrAccount(Protocol):
    """A request that names a portfolio, or an account whose own one is meant."""

    @property
    def portfolio_id(self) -> str:
        """Portfolio; empty when the account is given."""
        ...

    @property
    def account_id(self) -> str:
        """Account; empty when the portfolio is given."""
        ...


def portfolio_of(ledger: Ledger, request: ByIdOrAccount) -> Portfolio:
    """Returns the portfolio that a request names.

    Raises:
        CodedError: INVALID_FIELD, when both or none is given; UNKNOWN_PORTFOLIO; UNKNOWN_ACCOUNT.
    """
    if request.portfolio_id and request.account_id:
        raise invalid_field("account_id", "must be empty when portfolio_id is given")
    if request.portfolio_id:
        return ledger.portfolio(request.portfolio_id)
    if not request.account_id:
        raise invalid_field("account_id", "must be given, or portfolio_id")
    return ledger.portfolio(ledger.account(request.account_id).portfolio_id)


def page(items: Iterable[T], request: Paged, key: Callable[[T], str]) -> tuple[Sequence[T], str]:
    """Returns the page of items that a request asks for, by their key, and the token of the next one.

    Raises:
        CodedError: INVALID_PAGE_TOKEN.
    """
    return Pages(request, DEFAULT_PAGE_SIZE).cut(items, key)
