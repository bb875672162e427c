"""GetExecutionQuality and SummarizeExecutionQuality."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ordermesh.order.v1 import execution_quality_pb2, execution_quality_summary_pb2
from services.kernel.clock import Clock
from services.kernel.errors import invalid_field
from services.mesh.access.accounts import caller_environment
from services.mesh.times import Span, span
from services.order.pipeline.judging import Judging
from services.order.pipeline.orders import Orders
from services.order.pipeline.quality_summaries import QualitySummaries
from services.order.pipeline.queries import FillFilter
from services.order.servicer.quality_messages import quality_message, summary_message
from services.order.servicer.trades import midnight_before

_IMPACT_NANOSECONDS: Final = 60_000_000_000
_DAY: Final = timedelta(days=1)


class ExecutionQualityMethods:
    """The methods of OrderService that tell how well orders were executed."""

    _orders: Orders
    _judging: Judging
    _quality_summaries: QualitySummaries
    _clock: Clock

    async def GetExecutionQuality(
        self, request: execution_quality_pb2.GetExecutionQualityRequest, context: Any
    ) -> execution_quality_pb2.GetExecutionQualityResponse:
        """Tells how well an order was executed."""
        asked = request.impact_interval.ToNanoseconds() if request.HasField("impact_interval") else _IMPACT_NANOSECONDS
        judgement = await self._judging.judge(request.order_id.lower(), asked)
        return execution_quality_pb2.GetExecutionQualityResponse(
            execution_quality=quality_message(judgement), as_of=judgement.as_of
        )

    async def SummarizeExecutionQuality(
        self, request: execution_quality_summary_pb2.SummarizeExecutionQualityRequest, context: Any
    ) -> execution_quality_summary_pb2.SummarizeExecutionQualityResponse:
        """Sums execution quality up by instrument and connection."""
        begin, end = covered(request)
        begin = begin or midnight_before(end, self._clock.now())
        as_of = self._orders.as_of
        environment = 0 if request.account_id else caller_environment()
        totals = await self._quality_summaries.summarize(
            FillFilter(request.account_id, request.instrument, "", begin, end, environment)
        )
        contracts = await self._quality_summaries.contracts(sorted({instrument for instrument, _ in totals}))
        response = execution_quality_summary_pb2.SummarizeExecutionQualityResponse(
            summaries=(summary_message(group, totals[group], contracts.get(group[0])) for group in sorted(totals)),
            as_of=as_of,
        )
        getattr(response, "from").FromDatetime(begin)
        if end is not None:
            response.to.FromDatetime(end)
        return response


def covered(request: execution_quality_summary_pb2.SummarizeExecutionQualityRequest) -> Span:
    """Returns the time that a request asks for: its day, or its bounds.

    Raises:
        CodedError: INVALID_FIELD.
    """
    begin, end = span(request)
    if not request.day:
        return begin, end
    if begin is not None or end is not None:
        raise invalid_field("day", "must not be given together with from or to")
    try:
        day = datetime.fromisoformat(request.day).replace(tzinfo=UTC)
        return day, day + _DAY
    except (ValueError, OverflowError):
        raise invalid_field("day", "must be a day of the calendar such as 2026-06-30, before 9999-12-31") from None
