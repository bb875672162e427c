"""How an order belongs with others: to a list, to a parent, to a strategy."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum


class ListRole(IntEnum):
    """What an order is among the orders of its list, numbered as in the contract."""

    ENTRY = 1
    LEG = 2
    EXIT = 3


@dataclass(frozen=True, slots=True)
class Links:
    """What an order belongs to; few orders belong to anything.

    Attributes:
        order_list_id: List; empty for none.
        role: What it is in its list; None without one.
        ordered: Quantity that it was ordered with; its own follows its list. None for an order in none.
        parent_order_id: Order that it was sent to fill; empty for an order of its own.
        strategy_id: The caller's name of the strategy behind it; empty for none.
    """

    order_list_id: str = ""
    role: ListRole | None = None
    parent_order_id: str = ""
    strategy_id: str = ""
    ordered: Decimal | None = None

    @property
    def group_id(self) -> str:
        """The id that the orders share which are decided on together; empty for an order that stands alone."""
        return self.order_list_id or self.parent_order_id

    def digest_text(self) -> str:
        """Returns what they add to the digest of a request: nothing for none."""
        parts = (
            # Not the id of the list, which a repeated request does not know.
            ("role", "" if self.role is None else str(self.role.value)),
            ("parent", self.parent_order_id),
            ("strategy", self.strategy_id),
        )
        return "".join(f"|{name}={value}" for name, value in parts if value)
