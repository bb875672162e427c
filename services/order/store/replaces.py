"""Replaces by their ids: the table says which entry of the log a replace is, the entry says what it asked for."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from services.order.domain.replacing import Replace
from services.order.wire_replaces import replace_of
from services.storage.database import Database

_FIND: Final = """
    select e.payload from replaces r join events e on e.shard = r.shard and e.sequence = r.sequence
    where r.order_id = $1 and r.replace_id = $2
"""


class Replaces:
    """Replaces of one shard's orders."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def replace(self, order_id: str, replace_id: str) -> Replace | None:
        """Returns a replace of an order as it was asked for, whatever became of it; None when there is none.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            payload = await connection.fetchval(_FIND, UUID(order_id), replace_id)
        return None if payload is None else replace_of(ExecutionReport.FromString(payload).replace)
