"""Live orders, asked of OrderService."""

from __future__ import annotations

from typing import Final

from ordermesh.order.v1 import order_pb2, order_query_pb2, order_service_pb2, order_service_pb2_grpc
from services.mesh.client import Channel

SERVICE: Final = order_service_pb2.DESCRIPTOR.services_by_name["OrderService"].full_name
_LIVE: Final = (
    order_pb2.ORDER_STATUS_PENDING_NEW,
    order_pb2.ORDER_STATUS_NEW,
    order_pb2.ORDER_STATUS_PARTIALLY_FILLED,
    order_pb2.ORDER_STATUS_PENDING_CANCEL,
    order_pb2.ORDER_STATUS_PENDING_REPLACE,
    order_pb2.ORDER_STATUS_SUSPENDED,
)


class LiveOrders:
    """Asks any shard: it passes the question on to the one that has the account."""

    def __init__(self, channel: Channel) -> None:
        self._stub = order_service_pb2_grpc.OrderServiceStub(channel)

    async def any_of(self, account_id: str) -> tuple[bool, int]:
        """Tells whether an account has live orders, and the sequence of its log that this reflects.

        Raises:
            CodedError: SERVICE_UNAVAILABLE.
        """
        request = order_query_pb2.ListOrdersRequest(account_id=account_id, status=_LIVE, page_size=1)
        answer = await self._stub.ListOrders(request)
        return bool(answer.orders), answer.as_of
