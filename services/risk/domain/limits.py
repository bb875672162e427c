"""Limits as they are set, for the firm and for accounts, and as they hold."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from services.kernel.errors import CodedError, aborted

T = TypeVar("T")

FIRM = ""
"""Account id of what is the firm's in both environments: what settings say, and who acts where nobody looks."""
_ENVIRONMENTS: Final = {1: ":simulation", 2: ":live"}
"""Account ids of what is the firm's in one environment, by the contract's numbers. No account is called so."""


def firm_of(environment: int) -> str:
    """Returns the account id of the firm in an environment; of the firm in both for 0."""
    return _ENVIRONMENTS.get(environment, FIRM)


def is_firm(account_id: str) -> bool:
    """Tells whether an account id stands for the firm."""
    return account_id == FIRM or account_id in _ENVIRONMENTS.values()


def environment_of(account_id: str) -> int:
    """Returns the environment of an account id that stands for the firm in one; 0 for every other."""
    return next((number for number, name in _ENVIRONMENTS.items() if name == account_id), 0)


def whose(account_id: str) -> str:
    """Returns whom an account id stands for, in words."""
    if not is_firm(account_id):
        return f"of account {account_id}"
    return f"of the firm in {account_id[1:]}" if account_id else "of the firm"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What is set. None: not set, the firm's holds; zero: no limit.

    Attributes:
        account_id: What stands for the firm is told by `is_firm`.
        version: Counts the changes; 0 when never set.
        updated_at: When they last changed; None when never set.
    """

    account_id: str
    max_order_size: Decimal | None = None
    max_position_size: Decimal | None = None
    max_order_value: Decimal | None = None
    max_position_value: Decimal | None = None
    price_band_percent: Decimal | None = None
    max_daily_loss: Decimal | None = None
    max_daily_trades: int | None = None
    max_daily_volume: Decimal | None = None
    circuit_breaker_enabled: bool | None = None
    circuit_breaker_refusals: int | None = None
    version: int = 0
    updated_at: datetime | None = None

    def check_version(self, expected: int) -> CodedError | None:
        """Returns VERSION_MISMATCH when the caller changed another version; 0 stands for any."""
        if not expected or expected == self.version:
            return None
        text = f"the parameters {whose(self.account_id)} are at version {self.version}, not {expected}"
        return aborted("VERSION_MISMATCH", text, version=str(self.version))


class Limits(NamedTuple):
    """What holds for an account. None: no limit."""

    order_size: Decimal | None
    position_size: Decimal | None
    order_value: Decimal | None
    position_value: Decimal | None
    band_percent: Decimal | None
    daily_loss: Decimal | None
    daily_trades: int | None
    daily_volume: Decimal | None
    breaker_enabled: bool
    breaker_refusals: int


def over(upper: Parameters | None, lower: Parameters) -> Parameters:
    """Returns what is set where one stands over the other: the upper's, and what it does not set, the lower's."""
    if upper is None:
        return lower
    unset = {each.name: getattr(lower, each.name) for each in fields(upper) if getattr(upper, each.name) is None}
    return replace(upper, **unset)


def effective(own: Parameters | None, firm: Parameters) -> Limits:
    """Returns what holds for an account with these parameters, in a firm with those."""
    own = own or Parameters("")
    enabled = _first(own.circuit_breaker_enabled, firm.circuit_breaker_enabled)
    return Limits(
        _first(own.max_order_size, firm.max_order_size) or None,
        _first(own.max_position_size, firm.max_position_size) or None,
        _first(own.max_order_value, firm.max_order_value) or None,
        _first(own.max_position_value, firm.max_position_value) or None,
        _first(own.price_band_percent, firm.price_band_percent) or None,
        _first(own.max_daily_loss, firm.max_daily_loss) or None,
        _first(own.max_daily_trades, firm.max_daily_trades) or None,
        _first(own.max_daily_volume, firm.max_daily_volume) or None,
        enabled if enabled is not None else True,
        _first(own.circuit_breaker_refusals, firm.circuit_breaker_refusals) or 0,
    )


def _first(own: T | None, firm: T | None) -> T | None:
    return own if own is not None else firm
