"""Clients that place their orders over Trade streams, and go on after each end of one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ordermesh.order.v1.order_entry_pb2 import PlaceOrderRequest
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from ordermesh.order.v1.trade_stream_pb2 import CommandResult
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.status import from_status
from tests.fakes.trade_client import TradeClient, placing
from tests.faults.load import RECOVERY_SECONDS, Load
from tests.fixtures.direct import direct_channels
from tests.fixtures.trader import Trader

_RETRIED = (ErrorKind.UNAVAILABLE, ErrorKind.EXHAUSTED)
_PER_BATCH = 5


@dataclass
class Trading:
    """What clients of Trade streams were told.

    Attributes:
        reports: Places among the account's entries of the reports told, by account.
        streams: Streams that were opened.
    """

    reports: dict[str, list[int]] = field(default_factory=dict)
    streams: int = 0
    _tokens: dict[str, str] = field(default_factory=dict)

    async def client(self, load: Load, someone: Trader, orders: Sequence[PlaceOrderRequest]) -> None:
        """Places orders of a trader in batches, those that were not answered again and again."""
        waiting = list(orders)
        async with asyncio.timeout(RECOVERY_SECONDS):
            while waiting:
                await self._stream(load, someone, waiting)
                waiting = [request for request in waiting if request.client_order_id not in load.placed]
                if waiting:
                    await asyncio.sleep(0.05)

    async def assert_told_all(self, load: Load) -> None:
        """Reads on until each client was told all that happened to its orders: nothing twice, nothing left out."""
        for someone in load.traders:
            happened = sum(order.version for order in await load.orders_of(someone))
            async with asyncio.timeout(RECOVERY_SECONDS):
                while len(self.reports[someone.account_id]) < happened:
                    await self._stream(load, someone, (), happened - len(self.reports[someone.account_id]))
            assert self.reports[someone.account_id] == list(range(1, happened + 1))

    async def _stream(self, load: Load, someone: Trader, orders: Sequence[PlaceOrderRequest], reports: int = 0) -> None:
        """Opens a stream, sends orders, and reads until they are answered and some reports told, or it has ended."""
        channels = direct_channels(load.mesh)
        account_id, batches = (
            someone.account_id,
            [orders[n : n + _PER_BATCH] for n in range(0, len(orders), _PER_BATCH)],
        )
        stub: Any = OrderServiceStub(someone.user.authorized(channels.to(load.mesh.address("order"))))
        trade = TradeClient(stub.Trade(), account_id)

        def enough() -> bool:
            for number, results in trade.results.items():
                _note(load, batches[number - 1], results)
            return len(trade.results) == len(batches) and len(trade.reports) >= reports

        try:
            await trade.begin(resume_token=self._tokens.get(account_id, ""))
            self.streams += 1
            for batch in batches:
                await trade.send(*map(placing, batch))
            await trade.until_ended_or(enough)
        except CodedError as error:
            if error.kind not in _RETRIED:
                raise
        finally:
            await trade.cut()
            await channels.close()
        self._tokens[account_id] = trade.token or self._tokens.get(account_id, "")
        self.reports.setdefault(account_id, []).extend(report.account_sequence for report in trade.reports)
        enough()


def _note(load: Load, batch: Sequence[PlaceOrderRequest], results: Sequence[CommandResult]) -> None:
    for request, result in zip(batch, results, strict=True):
        if result.HasField("order"):
            load.told(request.client_order_id, result.order.order_id)
        else:
            assert from_status(result.error).kind in _RETRIED, result
