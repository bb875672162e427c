"""A closer look at orders that memory neither knows nor allows: the store and the catalogue are asked."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from services.kernel.errors import CodedError
from services.order.domain import rules
from services.order.domain.instruments import Instrument
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.pipeline.ports import Instruments, Store

Found = Order | Instrument | CodedError
"""The order that has the client order id already; else the instrument, or why it cannot be told."""


class Looking:
    """Looks orders up, those of a call together: a flood of what is refused must not fill the store with questions.

    Attributes:
        waiting: Orders that are being looked up. They count against the bound like those that were taken in.
    """

    def __init__(self, store: Store, instruments: Instruments) -> None:
        self._store, self._instruments = store, instruments
        self.waiting = 0

    async def look(self, orders: Sequence[OrderTerms]) -> list[Found]:
        """Returns what was found of each order."""
        self.waiting += len(orders)
        try:
            existing = await self._store.find([_key(terms) for terms in orders])
            instruments = await self._listed({terms.instrument for terms in orders if _key(terms) not in existing})
        except CodedError as error:
            return [error] * len(orders)
        finally:
            self.waiting -= len(orders)
        return [existing.get(_key(terms)) or instruments[terms.instrument] for terms in orders]

    async def _listed(self, names: Collection[str]) -> Mapping[str, Instrument | CodedError]:
        """Returns instruments by name, each asked for once."""
        return dict(zip(names, await asyncio.gather(*map(self._find, names)), strict=True))

    async def _find(self, name: str) -> Instrument | CodedError:
        try:
            return await self._instruments.find(name) or rules.unknown_instrument(name)
        except CodedError as error:
            return error


def _key(terms: OrderTerms) -> tuple[str, str]:
    return terms.account_id, terms.client_order_id
