"""Names the open orders that a kill switch does not let stay, to the shards of OrderService that hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.risk.domain.exposure import Exposure, Reserved
from services.risk.domain.limits import FIRM
from services.risk.domain.trading import KillSwitch, OpenOrder, TradingState, enlarges, enlarging
from services.risk.pipeline.book import TRADING_HALTED, TRADING_REDUCING, Book

MOST_PER_MESSAGE: Final = 1_000

_REASON: Final = {TradingState.HALTED: TRADING_HALTED, TradingState.REDUCING: TRADING_REDUCING}


class Withdrawal(NamedTuple):
    """Orders that may not stay open.

    Attributes:
        reason: Name out of the contract's `ErrorReason`.
    """

    order_ids: list[str]
    reason: str
    text: str


Outlet = Callable[[Withdrawal], None]


@dataclass(slots=True)
class Withdrawing:
    """Tells each shard's stream, in the order of the decisions on it.

    What holds a reservation is all that is open or on its way in: an order is reserved before it is committed, and let
    go when it ends.
    """

    book: Book
    _outlets: dict[int, Outlet] = field(default_factory=dict)
    _told: dict[str, int] = field(default_factory=dict)

    def attach(self, shard: int, outlet: Outlet) -> None:
        """Lets a shard be told, in place of the stream that it had before."""
        self._outlets[shard] = outlet

    def detach(self, shard: int, outlet: Outlet) -> None:
        """Ends that, unless another stream has taken over."""
        if self._outlets.get(shard) is outlet:
            del self._outlets[shard]

    def stopped(self, account_id: str) -> int:
        """Names all orders that a switch concerns, those named before too; returns how many were told to a shard."""
        self._forget(lambda order_id: order_id not in self.book.reserved)
        concerned = {
            order_id: reserved
            for order_id, reserved in self.book.reserved.items()
            if account_id in (FIRM, reserved.account.account_id)
        }
        return self._withdraw(concerned)

    def synced(self, shard: int) -> None:
        """Names all orders of a shard, whose stream has just become up to date, that any switch concerns."""
        self._forget(lambda order_id: self._told[order_id] == shard)
        self._withdraw({key: each for key, each in self.book.reserved.items() if each.shard == shard})

    def settled(self, shard: int, changed: Iterable[tuple[str, str]]) -> None:
        """Looks again after fills: one whose cancel came too late leaves less room for the orders that stayed."""
        exposures = [exposure for each in changed if (exposure := self._overfull(*each)) is not None]
        if not exposures:
            return
        self._forget(lambda order_id: order_id not in self.book.reserved)
        self._withdraw(
            {
                order_id: reserved
                for order_id, reserved in self.book.reserved.items()
                if reserved.shard == shard and reserved.exposure in exposures and order_id not in self._told
            }
        )

    def _overfull(self, account_id: str, instrument: str) -> Exposure | None:
        switch = self.book.switches.withdrawing(account_id)
        if switch is None or switch.state != TradingState.REDUCING:
            return None
        account = self.book.accounts.get(account_id)
        exposure = account.exposures.get(instrument) if account is not None else None
        return exposure if exposure is not None and enlarges(exposure) else None

    def _forget(self, which: Callable[[str], bool]) -> None:
        for order_id in [order_id for order_id in self._told if which(order_id)]:
            del self._told[order_id]

    def _withdraw(self, orders: Mapping[str, Reserved]) -> int:
        """Finds out which of some orders must go, by the switch that says so, and tells them to their shards."""
        going: dict[tuple[int, KillSwitch], list[str]] = {}
        reducing: dict[tuple[KillSwitch, Exposure], dict[str, Reserved]] = {}
        for order_id, reserved in orders.items():
            switch = self.book.switches.withdrawing(reserved.account.account_id)
            if switch is None:
                continue
            if switch.state == TradingState.HALTED:
                going.setdefault((reserved.shard, switch), []).append(order_id)
            else:
                reducing.setdefault((switch, reserved.exposure), {})[order_id] = reserved
        for (switch, exposure), of_exposure in reducing.items():
            held = (OpenOrder(order_id, each.side, each.held, each.group) for order_id, each in of_exposure.items())
            for order_id in enlarging(exposure.position, held):
                going.setdefault((of_exposure[order_id].shard, switch), []).append(order_id)
        return sum(self._tell(shard, switch, order_ids) for (shard, switch), order_ids in going.items())

    def _tell(self, shard: int, switch: KillSwitch, order_ids: list[str]) -> int:
        if (outlet := self._outlets.get(shard)) is None:
            return 0
        self._told |= dict.fromkeys(order_ids, shard)
        for first in range(0, len(order_ids), MOST_PER_MESSAGE):
            part = order_ids[first : first + MOST_PER_MESSAGE]
            outlet(Withdrawal(part, _REASON[switch.state], switch.sentence))
        return len(order_ids)
