"""ListReconciliations."""

from __future__ import annotations

from typing import Any

from ordermesh.order.v1 import reconciliation_pb2
from services.mesh.access.accounts import caller_environment
from services.mesh.times import span
from services.mesh.tokens import PageTokens, filters_of
from services.order.domain.reconciliation import Reconciliation, ReconciliationKind
from services.order.pipeline.reconciliations import ReconciliationFilter, Reconciliations
from services.order.servicer.messages import page_size
from services.order.wire import timestamp


class ReconciliationMethods:
    """The method of OrderService that tells what reconciliation found and decided."""

    _reconciliations: Reconciliations

    async def ListReconciliations(
        self, request: reconciliation_pb2.ListReconciliationsRequest, context: Any
    ) -> reconciliation_pb2.ListReconciliationsResponse:
        """Lists records, newest first."""
        size, tokens = page_size(request.page_size), PageTokens(filters_of(request))
        position = tokens.read(request.page_token)
        begin, end = span(request)
        kinds = tuple(map(ReconciliationKind, request.kinds))
        wanted = ReconciliationFilter(request.connection_id, kinds, begin, end, caller_environment())
        waiting = self._reconciliations.waiting
        records = await self._reconciliations.page(wanted, position[0] if position else "", size + 1)
        return reconciliation_pb2.ListReconciliationsResponse(
            reconciliations=map(_message, records[:size]),
            next_page_token=tokens.make(records[size - 1].reconciliation_id) if len(records) > size else "",
            waiting=waiting,
        )


def _message(record: Reconciliation) -> reconciliation_pb2.Reconciliation:
    finding = record.finding
    return reconciliation_pb2.Reconciliation(
        reconciliation_id=record.reconciliation_id,
        kind=reconciliation_pb2.ReconciliationKind.ValueType(finding.kind),
        connection_id=finding.connection_id,
        order_ids=finding.order_ids,
        venue_order_ids=finding.venue_order_ids,
        count=finding.count,
        found=finding.found,
        decided=finding.decided,
        time=timestamp(record.at_ns),
        sequence=record.sequence,
        report_sequence=finding.report_sequence,
        shard=record.shard,
    )
