"""The shards by the tables that they share: how many there are, and which of them an order or a list is of."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from services.kernel.errors import precondition
from services.order.pipeline.book import Book
from services.order.pipeline.sharding import Shards
from services.storage.database import Database

_ONE_AFTER_ANOTHER: Final = "select pg_advisory_xact_lock(hashtextextended('ordermesh.orders.shards', 0))"
_ENTER: Final = "insert into logs (shard, shard_count) values ($1, $2) on conflict do nothing"
_OTHER_COUNT: Final = "select shard, shard_count from logs where shard_count <> $1 order by shard limit 1"
_OF_ORDER: Final = "select shard from orders where order_id = $1"
_OF_LIST: Final = "select shard from order_lists where order_list_id = $1"


async def enter(database: Database, shards: Shards) -> None:
    """Makes this shard's log, if it is new, under the number of shards; nothing when another number is on record.

    Raises:
        CodedError: SHARD_MISMATCH, when there is a log that was made with another number of shards; STORE_UNAVAILABLE.
    """
    async with database.transaction() as connection:
        await connection.execute(_ONE_AFTER_ANOTHER)
        await connection.execute(_ENTER, shards.own, shards.count)
        if (found := await connection.fetchrow(_OTHER_COUNT, shards.count)) is not None:
            text = (
                f"the order log of shard {found[0]} was made where the number of shards is {found[1]}, and this process"
                f" is told that it is {shards.count}; it belongs to the data: see services/order/README.md"
            )
            raise precondition("SHARD_MISMATCH", text, shard_count=str(found[1]), told=str(shards.count))


class OrderOwners:
    """Knows the shard of every order and list; of orders that are live here without asking the store.

    Methods raise STORE_UNAVAILABLE.
    """

    def __init__(self, database: Database, book: Book) -> None:
        self._database, self._book = database, book

    async def shard_of_order(self, order_id: str) -> int | None:
        """Returns the shard of an order, None when there is no such order."""
        return self._book.shard if order_id in self._book.live else await self._find(_OF_ORDER, order_id)

    async def shard_of_list(self, order_list_id: str) -> int | None:
        """Returns the shard of a list, None when there is no such list."""
        return await self._find(_OF_LIST, order_list_id)

    async def _find(self, query: str, key: str) -> int | None:
        async with self._database.connection() as connection:
            found: int | None = await connection.fetchval(query, UUID(key))
        return found
