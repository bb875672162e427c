"""What changed in the book since it was saved the last time."""

from __future__ import annotations

from collections.abc import Mapping

from services.risk.domain.exposure import Account
from services.risk.pipeline.ports import Changes, LogCursor, SavedDay, SavedExposure


class Unsaved:
    """Names what is to be saved; what it is then is looked up when it is taken.

    Attributes:
        accounts: Accounts whose exposures or counters changed; each knows which exposures.
        moved: Shards whose log was consumed further.
        begun_anew: Shards whose log is another one than it was.
        learned: Accounts whose environment became known.
    """

    __slots__ = ("accounts", "begun_anew", "learned", "moved")

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.accounts: set[str] = set()
        self.moved: set[int] = set()
        self.begun_anew: set[int] = set()
        self.learned: set[str] = set()

    def take(
        self, accounts: Mapping[str, Account], cursors: Mapping[int, LogCursor], environments: Mapping[str, int]
    ) -> Changes | None:
        """Returns all of it as one picture, and counts it as saved; None when nothing changed."""
        if not (self.accounts or self.moved or self.begun_anew or self.learned):
            return None
        exposures: list[SavedExposure] = []
        days: list[SavedDay] = []
        for account_id in self.accounts:
            if (account := accounts.get(account_id)) is not None:
                exposures += (_saved(account, name) for name in account.changed)
                days.append(SavedDay(account_id, account.shard, account.day, account.day_trades, account.day_volume))
                account.changed = set()
        moved = tuple(cursors[shard] for shard in self.moved)
        learned = tuple((account_id, environments[account_id]) for account_id in self.learned)
        changes = Changes(tuple(exposures), tuple(days), moved, tuple(self.begun_anew), learned)
        self._clear()
        return changes

    def put_back(self, changes: Changes, accounts: Mapping[str, Account]) -> None:
        """Counts changes that could not be saved as changes again."""
        self.moved |= {cursor.shard for cursor in changes.cursors}
        self.begun_anew |= set(changes.begun_anew)
        self.learned |= {account_id for account_id, _ in changes.environments}
        for saved in changes.exposures:
            account = accounts.get(saved.account_id)
            # Its log may have begun anew meanwhile, and the account without the position.
            if account is not None and saved.instrument in account.exposures:
                account.changed.add(saved.instrument)
                self.accounts.add(saved.account_id)
        self.accounts |= {day.account_id for day in changes.days}


def _saved(account: Account, instrument: str) -> SavedExposure:
    exposure = account.exposures[instrument]
    return SavedExposure(
        account.account_id,
        account.shard,
        instrument,
        exposure.position,
        exposure.day_cash,
        exposure.start_position,
        exposure.start_price,
        exposure.last_price,
    )
