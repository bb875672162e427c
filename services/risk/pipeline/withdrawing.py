"""Names the open orders that may not stay, by a kill switch or as reduce-only, to the shards of OrderService."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.risk.domain.exposure import Exposure
from services.risk.domain.reducing import REDUCE_ONLY_TEXT, OpenOrder, exceeding
from services.risk.domain.reserved import Reserved
from services.risk.domain.trading import KillSwitch, TradingState, enlarges, enlarging
from services.risk.pipeline.book import Book
from services.risk.pipeline.decision import REDUCE_ONLY, TRADING_HALTED, TRADING_REDUCING

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
            if self.book.switches.concerns(account_id, reserved.account.account_id)
        }
        return self._withdraw(concerned)

    def synced(self, shard: int) -> None:
        """Names all orders of a shard, whose stream has just become up to date, that may not stay."""
        self._forget(lambda order_id: self._told[order_id] == shard)
        self._withdraw({key: each for key, each in self.book.reserved.items() if each.shard == shard})
        accounts = (account for account in self.book.accounts.values() if account.shard == shard)
        self._hold_to_position(exposure for account in accounts for exposure in account.exposures.values())

    def settled(self, shard: int, changed: Collection[tuple[str, str]]) -> None:
        """Looks again after fills: they leave less room for reduce-only orders.

        One whose cancel by a switch came too late leaves less for the orders that stayed.
        """
        self._hold_to_position(exposure for each in changed if (exposure := self._exposure(*each)) is not None)
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
        exposure = self._exposure(account_id, instrument)
        return exposure if exposure is not None and enlarges(exposure) else None

    def _exposure(self, account_id: str, instrument: str) -> Exposure | None:
        account = self.book.accounts.get(account_id)
        return account.exposures.get(instrument) if account is not None else None

    def _hold_to_position(self, exposures: Iterable[Exposure]) -> None:
        """Names the reduce-only orders that are more than the position, but for those that were named before."""
        for exposure in exposures:
            if not (orders := exposure.reduce_only):
                continue
            staying = {order_id: each for order_id, each in orders.items() if order_id not in self._told}
            held = (OpenOrder(order_id, each.side, each.held, each.group) for order_id, each in staying.items())
            if going := exceeding(exposure.position, held):
                self._forget(lambda order_id: order_id not in self.book.reserved)
                self._tell(staying[going[0]].shard, REDUCE_ONLY, REDUCE_ONLY_TEXT, going)

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
        return sum(
            self._tell(shard, _REASON[switch.state], switch.sentence, order_ids)
            for (shard, switch), order_ids in going.items()
        )

    def _tell(self, shard: int, reason: str, text: str, order_ids: list[str]) -> int:
        if (outlet := self._outlets.get(shard)) is None:
            return 0
        self._told |= dict.fromkeys(order_ids, shard)
        for first in range(0, len(order_ids), MOST_PER_MESSAGE):
            part = order_ids[first : first + MOST_PER_MESSAGE]
            outlet(Withdrawal(part, reason, text))
        return len(order_ids)
