"""What happened to an order, as it is told: to who oversees trading with who asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from ordermesh.type.v1 import access_pb2
from services.mesh.context import Call
from services.order.pipeline.entries import LoggedReport

_OVERSEERS: Final = frozenset({access_pb2.ROLE_RISK_MANAGER, access_pb2.ROLE_COMPLIANCE, access_pb2.ROLE_ADMIN})


def told_to(call: Call | None, rows: Iterable[LoggedReport]) -> list[ExecutionReport]:
    """Returns the reports of an order's history. Where nobody asks who calls, everybody is told who asked for what."""
    told = call is None or call.caller is None or bool(call.roles & _OVERSEERS)
    return [_report(row, told=told) for row in rows]


def _report(row: LoggedReport, *, told: bool) -> ExecutionReport:
    report = ExecutionReport.FromString(row.payload)
    if told and row.who is not None:
        report.actor.MergeFromString(row.who)
    return report
