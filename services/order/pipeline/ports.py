"""What the pipeline needs of others; adapters and fakes implement it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from services.order.domain.breach import RiskBreach
from services.order.domain.instruments import Instrument
from services.order.domain.order import Order
from services.order.domain.order_trades import OrderHistory
from services.order.domain.quotes import Quote
from services.order.domain.replacing import Replace
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderType
from services.order.pipeline.book import Key
from services.order.pipeline.entries import Draft, LoggedReport


class DuplicateKeyError(Exception):
    """Nothing was committed: a client order id of the draft exists in the store."""


class NotCommittedError(Exception):
    """Nothing was committed: the store refused the transaction, for example because its disk is full."""


class InDoubtError(Exception):
    """The store was lost during the transaction: it may have been committed or not."""


class Store(Protocol):
    """The truth."""

    def encode(self, draft: Draft) -> None:
        """Sets the payload of each entry."""
        ...

    async def commit(self, draft: Draft) -> None:
        """Commits a draft as a whole.

        Raises:
            DuplicateKeyError, NotCommittedError, InDoubtError.
        """
        ...

    async def recover(self) -> int:
        """Connects anew, as the only writer, and returns the last sequence of the log.

        Raises:
            CodedError: STORE_UNAVAILABLE; to be tried again.
        """
        ...

    async def find(self, keys: Collection[Key]) -> Mapping[Key, Order]:
        """Returns the orders of client order ids.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        ...

    async def order(self, order_id: str) -> Order | None:
        """Returns an order.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        ...

    async def histories(self, order_ids: Collection[str]) -> Mapping[str, OrderHistory]:
        """Returns orders, live or ended, with their trades; those that are not there are left out.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        ...

    async def account_sequences(self, account_ids: Collection[str]) -> Mapping[str, int]:
        """Returns the last account sequence of accounts, 0 for one without entries.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        ...


class ReplaceStore(Protocol):
    """Remembers replaces for ever."""

    async def replace(self, order_id: str, replace_id: str) -> Replace | None:
        """Returns a replace of an order as it was asked for, whatever became of it; None when there is none.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What risk says of an order.

    Attributes:
        reason: Empty: accepted and reserved. Else why it was refused, out of the contract's error reasons.
        text: The same in words.
        breach: The rule that refused it.
    """

    reason: str = ""
    text: str = ""
    breach: RiskBreach | None = None


ACCEPTED = Decision()


class Risk(Protocol):
    """Checks and reserves."""

    async def reserve(self, terms: Sequence[OrderTerms]) -> Sequence[Decision]:
        """Checks orders, each against the state that the ones before it leave; returns one decision for each.

        Raises:
            CodedError: RISK_UNAVAILABLE; nothing is reserved then, or will be let go.
        """
        ...

    def release(self, order_ids: Sequence[str]) -> None:
        """Lets reservations go whose orders were not committed."""
        ...


class ReplaceRisk(Protocol):
    """Checks new terms of orders."""

    async def reserve_replaces(self, replaces: Sequence[tuple[Order, OrderTerms]]) -> Sequence[Decision]:
        """Checks new terms of live orders, and holds the larger of old and new; returns one decision for each.

        Raises:
            CodedError: RISK_UNAVAILABLE; nothing more is held then, or will be let go.
        """
        ...

    def release_replaces(self, order_ids: Sequence[str]) -> None:
        """Lets go what is held for new terms of orders whose replace was not committed."""
        ...


class VenueTypes(Protocol):
    """Knows which order types venues take."""

    def takes(self, connection_id: str, type_: OrderType) -> bool:
        """Tells whether the venue of a connection takes orders of a type; an empty one stands for any connection."""
        ...


class EveryType:
    """Takes every venue for one that takes every type."""

    def takes(self, connection_id: str, type_: OrderType) -> bool:  # noqa: ARG002 - part of the port
        """Returns that it does."""
        return True


class Instruments(Protocol):
    """Knows what can be traded."""

    def known(self, name: str) -> Instrument | None:
        """Returns an instrument if it is known already."""
        ...

    async def find(self, name: str) -> Instrument | None:
        """Returns an instrument, asking for it when it is not known; None when there is none of that name.

        Raises:
            CodedError: SERVICE_UNAVAILABLE.
        """
        ...


class Quotes(Protocol):
    """Knows the newest quotes."""

    def quote(self, instrument: str) -> Quote | None:
        """Returns the newest quote of an instrument at once, stale or not; None while none is known."""
        ...


class MarketVolumes(Protocol):
    """Follows what markets trade."""

    def watch(self, instrument: str, since_ns: int) -> None:
        """Follows the volume of an instrument since a time, until as many say that they need it no more."""
        ...

    def unwatch(self, instrument: str, since_ns: int) -> None:
        """Says that the volume is needed no more."""
        ...

    def volume(self, instrument: str, since_ns: int) -> Decimal | None:
        """Returns the newest that is known of a volume that is watched; None while nothing is."""
        ...


class Listener(Protocol):
    """Is told what was committed, in the order of the log. Must not block and must not fail."""

    def committed(self, draft: Draft) -> None:
        """Takes note of a committed draft; the book has it already."""
        ...


class SettlementLog(Protocol):
    """The log as risk needs it when it is brought up to date."""

    async def settling(self, after: int, up_to: int, limit: int) -> Sequence[LoggedReport]:
        """Returns fills, ends and decided replaces of orders after one sequence up to another, oldest first.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        ...
