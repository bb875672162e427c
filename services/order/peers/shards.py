"""Clients of the other shards of OrderService."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ordermesh.order.v1 import order_stream_pb2, trade_stream_pb2
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from services.mesh.client import Channel
from services.mesh.stream_call import StreamCall
from services.order.pipeline.sharding import Metadata

SERVICE: Final = "ordermesh.order.v1.OrderService"
_LONGEST_SECONDS: Final = 3_600.0
"""How long an answer may take where the caller names no time: as here, no bound but those of the work itself."""


class ShardClients:
    """One channel for each other shard. Nothing is sent again here: whether to is the caller's to decide."""

    def __init__(self, channels: Mapping[int, Channel]) -> None:
        self._stubs = {shard: OrderServiceStub(channel) for shard, channel in channels.items()}
        self._streams = {shard: _streams(channel) for shard, channel in channels.items()}

    async def ask(self, shard: int, method: str, request: Any, metadata: Metadata) -> Any:
        """Returns the answer of a shard to a request, within the time that the call being served has left."""
        call = getattr(self._stubs[shard], method)
        return await call(request, timeout=_LONGEST_SECONDS, metadata=metadata)

    def stream(self, shard: int, method: str, request: Any, metadata: Metadata) -> StreamCall:
        """Begins a stream, whose messages come serialised."""
        call: StreamCall = self._streams[shard][method](request, metadata=metadata)
        return call


def _streams(channel: Channel) -> dict[str, Any]:
    # Without a deserializer: what comes is handed on as it is.
    return {
        "StreamOrders": channel.unary_stream(
            f"/{SERVICE}/StreamOrders", request_serializer=order_stream_pb2.StreamOrdersRequest.SerializeToString
        ),
        "Trade": channel.stream_stream(
            f"/{SERVICE}/Trade", request_serializer=trade_stream_pb2.TradeRequest.SerializeToString
        ),
    }
