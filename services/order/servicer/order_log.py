"""OrderLogService: proves that the order log is as it was written."""

from __future__ import annotations

from typing import Any, Protocol

from ordermesh.order.v1 import order_log_service_pb2, order_log_service_pb2_grpc


class Digests(Protocol):
    """Works out digests of the log."""

    async def digest(self, shard: int, after: int, last: int, version: int) -> tuple[str, int]:
        """Returns the digest of a part of the log, and how many events there are in it."""
        ...


class OrderLogServicer(order_log_service_pb2_grpc.OrderLogServiceServicer):
    """Serves whoever verifies the audit."""

    def __init__(self, digests: Digests) -> None:
        self._digests = digests

    async def DigestOrderLog(
        self, request: order_log_service_pb2.DigestOrderLogRequest, context: Any
    ) -> order_log_service_pb2.DigestOrderLogResponse:
        """Works out a digest anew."""
        digest, count = await self._digests.digest(
            request.shard, request.after_sequence, request.last_sequence, request.version or 1
        )
        return order_log_service_pb2.DigestOrderLogResponse(sha256=digest, count=count)
