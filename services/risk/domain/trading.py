"""The trading state of accounts and of the firm: which orders may come in, and which may not stay."""

from __future__ import annotations

import enum
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.kernel.decimals import ZERO
from services.risk.domain.breach import Breach, Rule
from services.risk.domain.exposure import Exposure
from services.risk.domain.limits import FIRM, firm_of, whose
from services.risk.domain.reducing import OpenOrder, not_reducing, room
from services.risk.domain.values import Proposal, Side


class TradingState(enum.IntEnum):
    """Which orders may come in, numbered as in the contract: the greater, the stricter."""

    ACTIVE = 1
    REDUCING = 2
    HALTED = 3


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """The switch of an account, or of the firm.

    Attributes:
        account_id: The firm, in both environments or in one, has one too.
        cancels: Whether the open orders that the state would not let in are canceled.
        text: Why it was set.
        changed_at: When it was set last; None when it never was.
        version: Grows with each change; 0 when it never was set.
    """

    account_id: str
    state: TradingState = TradingState.ACTIVE
    cancels: bool = False
    text: str = ""
    changed_at: datetime | None = None
    version: int = 0

    def stopped(self, state: TradingState, text: str, now: datetime, *, cancels: bool) -> KillSwitch:
        """Returns it set to a state."""
        return KillSwitch(self.account_id, state, cancels, text, now, self.version + 1)

    def resumed(self, text: str, now: datetime) -> KillSwitch:
        """Returns it set to ACTIVE."""
        return KillSwitch(self.account_id, TradingState.ACTIVE, False, text, now, self.version + 1)

    def says(self, state: TradingState, text: str, *, cancels: bool) -> bool:
        """Tells whether it is set to just this already."""
        return (self.state, self.cancels, self.text) == (state, cancels, text)

    @property
    def sentence(self) -> str:
        """What holds, and why, for people."""
        because = f": {self.text}" if self.text else ""
        return f"trading {whose(self.account_id)} is {self.state.name.lower()}{because}"


class KillSwitches:
    """All switches. Of an account's, the firm's and the firm's in the account's environment the strictest holds."""

    def __init__(self, environments: Mapping[str, int] | None = None) -> None:
        """Makes switches that were never set.

        Args:
            environments: The environments of accounts, as far as they are known.
        """
        self._environments = environments if environments is not None else {}
        self._all: dict[str, KillSwitch] = {}
        self._stopped: set[str] = set()

    def set(self, switch: KillSwitch) -> None:
        """Takes a switch; it holds from now on."""
        self._all[switch.account_id] = switch
        if switch.state == TradingState.ACTIVE:
            self._stopped.discard(switch.account_id)
        else:
            self._stopped.add(switch.account_id)

    def get(self, account_id: str) -> KillSwitch:
        """Returns the switch of an account, or of the firm."""
        return self._all.get(account_id) or KillSwitch(account_id)

    @property
    def stopped(self) -> Iterable[KillSwitch]:
        """The switches that are not ACTIVE."""
        return [self._all[account_id] for account_id in self._stopped]

    def effective(self, account_id: str) -> KillSwitch:
        """Returns the strictest of the switches that concern an account; the firm's when they are equal."""
        return max(self._concerning(account_id), key=lambda switch: switch.state)

    def withdrawing(self, account_id: str) -> KillSwitch | None:
        """Returns the strictest switch of those that concern an account and cancel open orders; None without any."""
        if not self._stopped:
            return None
        canceling = [switch for switch in self._concerning(account_id) if switch.cancels]
        return max(canceling, key=lambda switch: switch.state, default=None)

    def concerns(self, switch_id: str, account_id: str) -> bool:
        """Tells whether a switch, by the account id that it has, concerns an account."""
        return switch_id in (FIRM, account_id, firm_of(self._environments.get(account_id, 0)))

    def _concerning(self, account_id: str) -> tuple[KillSwitch, ...]:
        firm = firm_of(self._environments.get(account_id, 0))
        return self.get(FIRM), self.get(firm), self.get(account_id)

    def check(self, proposal: Proposal, exposure: Exposure) -> Breach | None:
        """Returns why an order may not come in; None when it may."""
        if not self._stopped:
            return None
        switch = self.effective(proposal.account_id)
        if switch.state == TradingState.HALTED:
            return Breach(Rule.TRADING_HALTED, text=switch.sentence)
        if switch.state == TradingState.REDUCING:
            return not_reducing(proposal, exposure, Rule.TRADING_REDUCING, switch.sentence)
        return None


def enlarging(position: Decimal, orders: Iterable[OpenOrder]) -> list[str]:
    """Returns which open orders in one instrument do not reduce the position.

    The oldest stay, as long as they cannot turn the position round together; of those that share what they may trade,
    the largest counts.

    Args:
        position: Bought less sold.
        orders: The orders, oldest first.
    """
    left = {Side.BUY: room(position, Side.BUY), Side.SELL: room(position, Side.SELL)}
    counted: dict[Hashable, Decimal] = {}
    found = []
    for order_id, side, quantity, group in orders:
        before = ZERO if group is None else counted.get(group, ZERO)
        more = max(quantity - before, ZERO)
        if more > left[Side(side)]:
            found.append(order_id)
            continue
        left[Side(side)] -= more
        if group is not None:
            counted[group] = before + more
    return found


def enlarges(exposure: Exposure) -> bool:
    """Tells whether the open orders in one instrument could enlarge the position or turn it round."""
    position = exposure.position
    return exposure.open_buy > room(position, Side.BUY) or exposure.open_sell > room(position, Side.SELL)
