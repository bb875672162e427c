"""Lists of orders: their records, and pages of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.kernel.clock import to_ns
from services.order.domain.order import Order
from services.order.domain.order_lists import ContingencyType, ListRecord
from services.order.store.loading import ORDER_SELECT, order_of_row
from services.storage.database import Database

_SELECT: Final = "select order_list_id, client_order_list_id, account_id, contingency_type, created_at from order_lists"
_BY_CLIENT_ID: Final = f"{_SELECT} where account_id = $1 and client_order_list_id = $2"
_BY_ID: Final = f"{_SELECT} where order_list_id = $1"
_ORDERS: Final = f"{ORDER_SELECT} where o.order_list_id = any($1::uuid[]) order by o.order_id"
_PAGE: Final = f"""
    {_SELECT}
    where ($1 = '' or account_id = $1) and ($2 = '' or client_order_list_id = $2)
        and ($3::uuid is null or order_list_id < $3)
    order by order_list_id desc limit $4
"""


class PostgresLists:
    """Lists of orders. Methods raise CodedError STORE_UNAVAILABLE."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, account_id: str, client_order_list_id: str) -> ListRecord | None:
        """Returns the list of a client order list id; None when there is none."""
        return await self._one(_BY_CLIENT_ID, account_id, client_order_list_id)

    async def get(self, order_list_id: str) -> ListRecord | None:
        """Returns a list; None when there is none."""
        return await self._one(_BY_ID, UUID(order_list_id))

    async def page(
        self, account_id: str, client_order_list_id: str, before: str | None, limit: int
    ) -> list[ListRecord]:
        """Returns lists, newest first, older than the one with the id `before`; empty ids mean any."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _PAGE, account_id, client_order_list_id, None if before is None else UUID(before), limit
            )
        return [_record(row) for row in rows]

    async def orders(self, order_list_ids: Sequence[str]) -> Mapping[str, Sequence[Order]]:
        """Returns the orders of lists, in the order in which they were given."""
        found: dict[str, list[Order]] = {}
        async with self._database.connection() as connection:
            rows = await connection.fetch(_ORDERS, [UUID(each) for each in order_list_ids])
        for order in map(order_of_row, rows):
            # Ids of orders are made in the order of the request.
            found.setdefault(order.terms.group_id, []).append(order)
        return found

    async def _one(self, query: str, *arguments: Any) -> ListRecord | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(query, *arguments)
        return None if row is None else _record(row)


def _record(row: asyncpg.Record) -> ListRecord:
    order_list_id, client_order_list_id, account_id, contingency_type, created_at = row
    return ListRecord(
        str(order_list_id), client_order_list_id, account_id, ContingencyType(contingency_type), to_ns(created_at)
    )
