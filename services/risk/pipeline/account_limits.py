"""The limits that hold for each account, by what is set for it and for the firm."""

from __future__ import annotations

from collections.abc import Mapping

from services.risk.domain.limits import FIRM, Limits, Parameters, effective, firm_of, is_firm, over


class AccountLimits:
    """Finds out what holds for an account once, and again when that may be something else.

    Args:
        environments: The environments of accounts, by the contract's numbers, as far as they are known.
    """

    def __init__(self, environments: Mapping[str, int]) -> None:
        self._environments = environments
        self._parameters: dict[str, Parameters] = {FIRM: Parameters(FIRM)}
        self._limits: dict[str, Limits] = {}

    def set(self, parameters: Mapping[str, Parameters]) -> None:
        """Takes parameters; they hold from now on."""
        self._parameters.update(parameters)
        if any(map(is_firm, parameters)):
            self._limits.clear()
        for account_id in parameters:
            self._limits.pop(account_id, None)

    def parameters(self, account_id: str) -> Parameters:
        """Returns what is set for an account, or for the firm."""
        return self._parameters.get(account_id) or Parameters(account_id)

    def of(self, account_id: str) -> Limits:
        """Returns what holds for an account."""
        if (limits := self._limits.get(account_id)) is None:
            firm = over(self._parameters.get(firm_of(self._environments.get(account_id, 0))), self._parameters[FIRM])
            limits = effective(self._parameters.get(account_id), firm)
            self._limits[account_id] = limits
        return limits

    def moved(self, account_id: str) -> None:
        """Takes note that the environment of an account is another one than it was thought to be."""
        self._limits.pop(account_id, None)
