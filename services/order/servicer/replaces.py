"""A replace as callers ask for it, by itself or on a Trade stream."""

from __future__ import annotations

from ordermesh.order.v1.order_entry_pb2 import ReplaceOrderRequest
from services.order.domain.order import Order
from services.order.pipeline.replacing import RefusedByRiskError, Replacing
from services.order.servicer.messages import refused_by_risk, replace_request


async def replace(replacing: Replacing, request: ReplaceOrderRequest) -> Order:
    """Asks the venue for new terms of an order, and returns it once the request is committed.

    Raises:
        CodedError: As `Replacing.replace`; a refusal by risk among them.
    """
    asked = replace_request(request)
    try:
        return await replacing.replace(asked)
    except RefusedByRiskError as error:
        raise refused_by_risk(error.decision, order_id=asked.order_id) from error
