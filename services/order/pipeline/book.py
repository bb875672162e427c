"""What is committed and still matters: live orders, keys of recent ones, heads of sequences. It equals the log."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping

from services.order.domain.order import Order
from services.order.domain.values import Topic
from services.order.pipeline.entries import Draft

Key = tuple[str, str]
"""Account and client order id."""


class Book:
    """The committed state in memory.

    Bounded by the live orders, the accounts seen, and the number of ended orders that are remembered for repeated
    requests; older ones are found in the store.

    Attributes:
        epoch: Incarnation of the log.
        shard: Shard of the log.
        sequence: Last sequence of the log.
        at_ns: Time of its last entry.
        live: Live orders by id, oldest first.
        topics: Last sequence per topic.
        cursors: Epoch and last sequence consumed per connection.
    """

    def __init__(self, shard: int = 0, epoch: str = "", *, most_remembered: int = 20_000) -> None:
        self.shard = shard
        self.epoch = epoch
        self.sequence = 0
        self.at_ns = 0
        self.live: dict[str, Order] = {}
        self.topics = [0] * (max(Topic) + 1)
        self.cursors: dict[str, tuple[str, int]] = {}
        self._most_remembered = most_remembered
        self._by_account: dict[str, dict[str, Order]] = {}
        self._keys: dict[Key, str] = {}
        self._ended: OrderedDict[Key, Order] = OrderedDict()
        self._account_sequences: dict[str, int] = {}
        self._groups: dict[str, dict[str, Order]] = {}

    def load(self, orders: Iterable[Order]) -> None:
        """Takes in live orders out of the store."""
        for order in orders:
            self._keep(order)

    def load_ended(self, orders: Iterable[Order]) -> None:
        """Takes in ended orders that belong to lists which have live ones."""
        for order in orders:
            if (members := self._groups.get(order.terms.group_id)) is not None:
                members[order.terms.order_id] = order

    def group(self, group_id: str) -> Mapping[str, Order]:
        """Returns the orders of a group that has a live one, by id: a list's, a parent's with itself.

        Ended orders of a list stay in it, for what they have filled; ended children of a parent do not.
        """
        return self._groups.get(group_id) or {}

    @property
    def groups(self) -> Collection[str]:
        """The groups that have a live order."""
        return self._groups.keys()

    def load_accounts(self, sequences: Mapping[str, int]) -> None:
        """Takes in the last account sequences of accounts; one that is known already stays."""
        for account_id, sequence in sequences.items():
            self._account_sequences.setdefault(account_id, sequence)

    def unknown_accounts(self, account_ids: Iterable[str]) -> list[str]:
        """Returns those accounts whose last sequence must be loaded before anything is appended to them."""
        known = self._account_sequences
        return [account_id for account_id in account_ids if account_id not in known]

    def account_sequence(self, account_id: str) -> int:
        """Returns the last sequence of an account, which must be known."""
        return self._account_sequences[account_id]

    def live_of(self, account_id: str) -> Mapping[str, Order]:
        """Returns the live orders of an account by id, oldest first."""
        return self._by_account.get(account_id) or {}

    def find(self, key: Key) -> Order | None:
        """Returns the order of a client order id if it is live or ended lately."""
        order_id = self._keys.get(key)
        return self._ended.get(key) if order_id is None else self.live[order_id]

    def install(self, draft: Draft) -> None:
        """Takes over what was committed."""
        ended = []
        for order in draft.orders.values():
            if order.live:
                self._keep(order)
            else:
                ended.append(order)
        # After all that live: a group that begins and partly ends in one draft must not be forgotten in between.
        for order in ended:
            self._end(order)
        self._account_sequences.update(draft.accounts)
        self.cursors.update(draft.cursors)
        self.topics = draft.topics
        if draft.entries:
            self.sequence = draft.last_sequence
            self.at_ns = draft.at_ns

    def _keep(self, order: Order) -> None:
        terms = order.terms
        if order.terms.order_id not in self.live:
            self._keys[terms.account_id, terms.client_order_id] = terms.order_id
        self.live[terms.order_id] = order
        of_account = self._by_account.get(terms.account_id)
        if of_account is None:
            of_account = self._by_account[terms.account_id] = {}
        of_account[terms.order_id] = order
        if terms.instructions is not None and (group_id := terms.group_id):
            self._groups.setdefault(group_id, {})[terms.order_id] = order

    def _end(self, order: Order) -> None:
        terms = order.terms
        key = (terms.account_id, terms.client_order_id)
        if self.live.pop(terms.order_id, None) is not None:
            del self._keys[key]
            of_account = self._by_account[terms.account_id]
            del of_account[terms.order_id]
            if not of_account:
                del self._by_account[terms.account_id]
        if terms.instructions is not None and (group_id := terms.group_id):
            self._end_in_group(group_id, order)
        self._ended[key] = order
        if len(self._ended) > self._most_remembered:
            self._ended.popitem(last=False)

    def _end_in_group(self, group_id: str, order: Order) -> None:
        if (members := self._groups.get(group_id)) is None:
            return
        if order.terms.role is None:
            members.pop(order.terms.order_id, None)
        else:
            members[order.terms.order_id] = order
        if not any(member.live for member in members.values()):
            del self._groups[group_id]
