"""Virtual cash that is set by hand.

What is put in or taken out by hand moves the opening amount with the amount: the two always differ by what trading has
made, so that cash stays a function of the opening amounts and the order log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import IntEnum

from services.kernel.decimals import EXACT, ZERO
from services.kernel.errors import CodedError, already_exists, precondition
from services.portfolio.domain.account import Account, Balance
from services.portfolio.domain.values import Environment


class CashChangeKind(IntEnum):
    """What was asked for."""

    SET = 1
    RESET = 2


@dataclass(frozen=True, slots=True)
class CashChange:
    """A change of virtual cash, as asked for.

    Attributes:
        request_id: Names it within the account, for ever.
        currency: Currency to set; empty for a reset, which is about all.
        amount: Cash that there shall be; None for a reset.
        text: Why.
    """

    account_id: str
    request_id: str
    kind: CashChangeKind
    currency: str = ""
    amount: Decimal | None = None
    text: str = ""

    def repeats(self, before: CashChange | None) -> bool:
        """Tells whether it is one that was made before.

        Raises:
            CodedError: DUPLICATE_REQUEST_ID, when another was made under its name.
        """
        if before is None:
            return False
        if before != self:
            text = f"the request id {self.request_id} named another change of the account {self.account_id}"
            raise already_exists("DUPLICATE_REQUEST_ID", text, request_id=self.request_id)
        return True

    def targets(self, account: Account, opened: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Returns the cash that there shall be, by currency.

        Args:
            account: The account as it is.
            opened: Cash that it was opened with.
        """
        if self.amount is not None:
            return {self.currency: self.amount}
        return {currency: opened.get(currency, ZERO) for currency in {*account.balances, *opened}}


def check_simulation(account: Account) -> None:
    """Raises NOT_A_SIMULATION for a live account."""
    if account.environment is not Environment.SIMULATION:
        text = f"the account {account.account_id} is live: its cash is at its broker"
        raise precondition("NOT_A_SIMULATION", text, account_id=account.account_id)


def not_flat(account_id: str, what: str) -> CodedError:
    """Returns the error for an account that still has something."""
    return precondition("ACCOUNT_NOT_FLAT", f"the account {account_id} has {what}", account_id=account_id)


def with_cash(account: Account, targets: Mapping[str, Decimal], at: datetime) -> Account:
    """Returns an account with its cash set."""
    balances = dict(account.balances)
    for currency, amount in targets.items():
        before = account.balance(currency)
        balances[currency] = Balance(amount, EXACT.add(before.opening, EXACT.subtract(amount, before.amount)))
    return replace(account, balances=balances, updated_at=at)
