"""Orders that risk does not let stay open: canceled if they are live, refused if they are still on their way in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.kernel.errors import CodedError
from services.kernel.identifiers import Identifiers
from services.order.domain.breach import RiskBreach
from services.order.domain.events import request_cancel
from services.order.domain.order import Order
from services.order.pipeline.book import Key
from services.order.pipeline.entries import Draft
from services.order.pipeline.ports import Decision
from services.order.pipeline.work import MOST_CANCELS
from services.order.pipeline.writer import Writer


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What risk says.

    Attributes:
        order_ids: Orders that may not stay open; those that have ended do not matter.
        reason: Why, out of the contract's error reasons.
        text: The same in words.
        rule: Number of the risk rule behind it.
    """

    order_ids: Sequence[str]
    reason: str
    text: str
    rule: int


class Withdrawing:
    """Sees to it that no order survives its withdrawal, wherever it is at that moment.

    Risk names an order after it has accepted it. So the order is either still in the hands of whoever asked risk: then
    `refusal` turns the acceptance round, and it is never committed. Or it was handed to the writer before: then the
    request to cancel, which queues behind it, finds it committed.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._asking = 0
        self._withdrawn: dict[str, Withdrawal] = {}

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Takes what risk says."""
        if self._asking:
            self._withdrawn |= dict.fromkeys(withdrawal.order_ids, withdrawal)
        self._writer.put(WithdrawOrders(self._writer, withdrawal))

    def begin(self) -> None:
        """Somebody asks risk: what is withdrawn from now on may be in the answer."""
        self._asking += 1

    def end(self) -> None:
        """Somebody has taken the answer, or waits no more."""
        self._asking -= 1
        if not self._asking:
            self._withdrawn.clear()

    def refusal(self, order_id: str) -> Decision | None:
        """Returns the refusal of an order that was accepted and withdrawn before the answer was taken."""
        if (withdrawal := self._withdrawn.get(order_id)) is None:
            return None
        breach = RiskBreach(withdrawal.rule, text=withdrawal.text)
        return Decision(withdrawal.reason, withdrawal.text, breach)


class WithdrawOrders:
    """Requests to cancel orders, which are tried until they are committed."""

    kept = True

    def __init__(self, writer: Writer, withdrawal: Withdrawal) -> None:
        self._writer, self._withdrawal = writer, withdrawal
        self._begun: list[str] = []

    @property
    def weight(self) -> int:
        """One entry for each order of a part."""
        return min(len(self._withdrawal.order_ids), MOST_CANCELS)

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Asks for the cancel of a part that is live; those that begin with this draft are left for the next."""
        told = self._withdrawal
        self._begun = []
        for order_id in told.order_ids[:MOST_CANCELS]:
            if (order := draft.order(order_id)) is None:
                continue
            if order.placed_sequence >= draft.first_sequence:
                self._begun.append(order_id)
                continue
            event = request_cancel(order, draft.next_sequence, draft.at_ns, reason=told.reason, text=told.text)
            if event is not None:
                draft.append(event, identifiers.new_id())

    def resolve(self, existing: Mapping[Key, Order]) -> None:
        """Nothing of it can exist already."""

    def committed(self) -> None:
        """Goes on with those that are committed only now, and with the next part."""
        told = self._withdrawal
        if left := [*self._begun, *told.order_ids[MOST_CANCELS:]]:
            rest = Withdrawal(left, told.reason, told.text, told.rule)
            self._writer.put(WithdrawOrders(self._writer, rest))

    def failed(self, error: CodedError) -> None:
        """Nobody waits for it."""

    def abandoned(self) -> None:
        """Nothing is held that would have to be let go."""
