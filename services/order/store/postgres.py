"""The store that the pipeline knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from services.order.domain.order import Order
from services.order.domain.order_trades import OrderHistory
from services.order.domain.values import ADJUSTMENTS, ExecutionType
from services.order.pipeline.book import Book, Key
from services.order.pipeline.entries import Draft
from services.order.store import loading
from services.order.store.encoding import encode
from services.order.store.loading import ORDER_SELECT, order_of_row
from services.order.store.log import OrderLog
from services.order.wire_adjustments import executions_of
from services.storage.database import Database

_BY_KEY: Final = f"""
    {ORDER_SELECT}
    where (o.account_id, o.client_order_id) in (select * from unnest($1::text[], $2::text[]))
"""
_BY_ID: Final = f"{ORDER_SELECT} where o.order_id = $1"
_BY_IDS: Final = f"{ORDER_SELECT} where o.order_id = any($1::uuid[])"
_TRADES: Final = """
    select order_id, payload from events where order_id = any($1::uuid[]) and type = any($2::smallint[])
    order by sequence
"""
_OF_TRADES: Final = [ExecutionType.TRADE, *ADJUSTMENTS]


class EpochChangedError(Exception):
    """The log is another one than at the start of the process, such as after a restore: the process must end."""


class PostgresStore:
    """Orders and their log."""

    def __init__(self, database: Database, log: OrderLog, book: Book) -> None:
        self._database, self._log, self._book = database, log, book

    def encode(self, draft: Draft) -> None:
        """Sets the payload of each entry."""
        encode(draft)

    async def start(self) -> None:
        """Becomes the writer of the shard, and fills the book.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        await self._log.open()
        async with self._database.connection() as connection:
            await loading.load(connection, self._book)

    async def commit(self, draft: Draft) -> None:
        """Commits a draft as a whole.

        Raises:
            DuplicateKeyError, NotCommittedError, InDoubtError.
        """
        await self._log.commit(draft)

    async def recover(self) -> int:
        """Connects anew, as the only writer, and returns the last sequence of the log.

        Raises:
            CodedError: STORE_UNAVAILABLE; to be tried again.
            EpochChangedError: The log is another one.
        """
        await self._log.open()
        async with self._database.connection() as connection:
            epoch = await loading.epoch_of(connection, self._book.shard)
        if epoch != self._book.epoch:
            raise EpochChangedError(f"the log's epoch is {epoch}, not {self._book.epoch}")
        return await self._log.head()

    async def find(self, keys: Collection[Key]) -> Mapping[Key, Order]:
        """Returns the orders of client order ids.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        accounts, ids = [account for account, _ in keys], [client_order_id for _, client_order_id in keys]
        async with self._database.connection() as connection:
            orders = [order_of_row(row) for row in await connection.fetch(_BY_KEY, accounts, ids)]
        return {(order.terms.account_id, order.terms.client_order_id): order for order in orders}

    async def order(self, order_id: str) -> Order | None:
        """Returns an order.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        if (key := _uuid_or_none(order_id)) is None:
            return None
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_BY_ID, key)
        return None if row is None else order_of_row(row)

    async def histories(self, order_ids: Collection[str]) -> Mapping[str, OrderHistory]:
        """Returns orders, live or ended, with their trades; those that are not there are left out.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        keys = [key for order_id in order_ids if (key := _uuid_or_none(order_id)) is not None]
        async with self._database.connection() as connection:
            orders = [order_of_row(row) for row in await connection.fetch(_BY_IDS, keys)]
            trades = await connection.fetch(_TRADES, keys, _OF_TRADES)
        reports: dict[str, list[ExecutionReport]] = {order.terms.order_id: [] for order in orders}
        for order_id, payload in trades:
            reports[str(order_id)].append(ExecutionReport.FromString(payload))
        return {
            order.terms.order_id: OrderHistory(order, executions_of(reports[order.terms.order_id])) for order in orders
        }

    async def account_sequences(self, account_ids: Collection[str]) -> Mapping[str, int]:
        """Returns the last account sequence of accounts, 0 for one without entries.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            return await loading.account_sequences(connection, account_ids)


def _uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
