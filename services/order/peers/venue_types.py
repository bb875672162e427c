"""Which order types the venues behind the broker connections take, as they told when they came up."""

from __future__ import annotations

from collections.abc import Collection

from services.order.domain.values import OrderType


class VenueTypes:
    """Remembers what each connection told; of one that has told nothing yet, that it takes every type."""

    def __init__(self) -> None:
        self._told: dict[str, frozenset[int]] = {}

    def note(self, connection_id: str, order_types: Collection[int]) -> None:
        """Takes what a connection has told; nothing at all says nothing."""
        if order_types:
            self._told[connection_id] = frozenset(order_types)

    def takes(self, connection_id: str, type_: OrderType) -> bool:
        """Tells whether a venue takes orders of a type.

        An order that names no connection may go through any: then all of them must.
        """
        if connection_id:
            told = self._told.get(connection_id)
            return told is None or type_ in told
        return all(type_ in told for told in self._told.values())
