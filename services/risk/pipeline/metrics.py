"""What an account risks now."""

from __future__ import annotations

from dataclasses import dataclass

from services.kernel.clock import Clock
from services.risk.domain.exposure import Account, Exposure
from services.risk.domain.uses import LimitUse, limit_uses
from services.risk.pipeline.book import Book


@dataclass(frozen=True, slots=True)
class Metrics:
    """What an account risks.

    Attributes:
        exposures: By instrument.
        as_of: Sequence of the order log that they reflect.
    """

    account: Account
    exposures: tuple[tuple[str, Exposure], ...]
    uses: tuple[LimitUse, ...]
    as_of: int


def metrics_of(book: Book, clock: Clock, account_id: str) -> Metrics:
    """Returns what an account risks, as of now."""
    today = clock.now().toordinal()
    book.begin_day(today)
    account = book.accounts.get(account_id) or Account(account_id, 0, today)
    exposures = tuple((name, each) for name, each in sorted(account.exposures.items()) if not each.idle)
    uses = tuple(limit_uses(account, book.limits.of(account_id)))
    return Metrics(account, exposures, uses, book.sequence(account.shard))
