"""What open orders may still trade: their reservations, counted in the exposure and the account of each."""

from __future__ import annotations

from decimal import Decimal

from services.kernel.decimals import ZERO
from services.risk.domain.exposure import Account, Exposure
from services.risk.domain.values import Settled, Side

GroupKey = tuple[str, str, int]
"""Id of a group, instrument and side."""


class Group:
    """Orders that share what they may trade on one side of an instrument: the largest of them counts alone.

    Attributes:
        key: Its id, instrument and side.
        members: The orders that hold a reservation.
    """

    __slots__ = ("key", "members")

    def __init__(self, key: GroupKey) -> None:
        self.key = key
        self.members: set[Reserved] = set()

    @property
    def held(self) -> Decimal:
        """What is counted of them together."""
        return max((member.held for member in self.members), default=ZERO)

    def beyond(self, quantity: Decimal) -> Decimal:
        """Returns how much more is counted once an order of that quantity belongs to them."""
        return max(quantity - self.held, ZERO)


class Reserved:
    """The reservation of an open order.

    While a replace of it is on its way, the venue may hold it to the old or to the new terms: the larger is counted.

    Attributes:
        quantity: What may still trade under its own terms.
        after: What may still trade under the new terms; None without a replace.
        group: The orders that it shares with; None for one that counts itself.
    """

    __slots__ = ("account", "after", "exposure", "group", "quantity", "shard", "side")

    def __init__(
        self,
        account: Account,
        exposure: Exposure,
        side: int,
        quantity: Decimal,
        shard: int,
        group: Group | None = None,
    ) -> None:
        self.account = account
        self.exposure = exposure
        self.side = side
        self.after: Decimal | None = None
        self.shard = shard
        self.quantity = quantity
        self.group = group

    @property
    def held(self) -> Decimal:
        """What it may trade at most."""
        return self.quantity if self.after is None else max(self.quantity, self.after)

    @property
    def _counted(self) -> Decimal:
        return self.held if self.group is None else self.group.held

    def hold(self) -> None:
        """Counts the order."""
        if self.group is None:
            self._count(self.held, 1)
            return
        before = self.group.held
        self.group.members.add(self)
        self.account.groups[self.group.key] = self.group
        self._count(self.group.held - before, 1)

    def change(self, quantity: Decimal, after: Decimal | None = None) -> None:
        """Counts the order with other quantities from now on."""
        before = self._counted
        self.quantity, self.after = quantity, after
        self._count(self._counted - before, 0)

    def settle(self, settled: Settled) -> None:
        """Takes what the log says of the order, which goes on: fills take from both terms, an outcome leaves one."""
        after = None
        if self.after is not None and not settled.decided:
            after = max(self.after - settled.traded, ZERO)
        self.change(settled.leaves, after)

    def let_go(self) -> None:
        """Counts the order no more."""
        if self.group is None:
            self._count(-self.held, -1)
            return
        before = self.group.held
        self.group.members.discard(self)
        if not self.group.members:
            self.account.groups.pop(self.group.key, None)
        self._count(self.group.held - before, -1)

    def _count(self, quantity: Decimal, orders: int) -> None:
        exposure, account = self.exposure, self.account
        if self.side == Side.BUY:
            exposure.open_buy += quantity
        else:
            exposure.open_sell += quantity
        exposure.open_orders += orders
        account.open_quantity += quantity
        account.open_orders += orders
