"""`ordermesh reconciliations`: what was found and decided when venues were held against the order log."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from ordermesh.order.v1 import reconciliation_pb2
from services.cli import options, output
from services.cli.address import Where
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.cli.output import Column

_PREFIX = "RECONCILIATION_KIND_"
_COLUMNS = (
    Column("time"),
    Column("connection"),
    Column("kind"),
    Column("count", number=True),
    Column("sequence", number=True),
    Column("found"),
    Column("decided"),
    Column("orders"),
)
_ORDERS_SHOWN = 3


class Kind(StrEnum):
    """What was found, as the contract names it."""

    AGREED = "agreed"
    PUT_OFF = "put-off"
    REPORTS_WHILE_AWAY = "reports-while-away"
    COMMANDS_RESENT = "commands-resent"
    UNKNOWN_AT_VENUE = "unknown-at-venue"
    OPEN_AT_VENUE_ENDED_HERE = "open-at-venue-ended-here"
    MISSING_AT_VENUE = "missing-at-venue"
    LOST_BY_VENUE = "lost-by-venue"
    REPORT_OF_UNKNOWN_ORDER = "report-of-unknown-order"
    FILL_AFTER_END = "fill-after-end"
    REPORT_NOT_LOOKED_INTO = "report-not-looked-into"
    ADJUSTMENT_NOT_BOOKED = "adjustment-not-booked"
    PASSED_OVER_BY_VENUE = "passed-over-by-venue"


def reconciliations(
    connection: Annotated[str, typer.Option("--connection", metavar="ID", help="Only of this connection.")] = "",
    kind: Annotated[list[Kind] | None, typer.Option("--kind", help="Only of this kind; may be repeated.")] = None,
    most: options.Most = 50,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Lists what was found and decided when venues were held against the order log, newest first."""
    request = reconciliation_pb2.ListReconciliationsRequest(
        connection_id=connection,
        kinds=[reconciliation_pb2.ReconciliationKind.Value(f"{_PREFIX}{each.name}") for each in kind or ()],
        page_size=most,
    )
    run(Where(address, ca), lambda mesh: _list(mesh, request, as_json=json))


async def _list(mesh: Mesh, request: reconciliation_pb2.ListReconciliationsRequest, *, as_json: bool) -> int:
    answer = await mesh.orders.ListReconciliations(request)
    if as_json:
        output.print_json(answer)
        return ExitCode.DONE
    output.show(_COLUMNS, [_row(record) for record in answer.reconciliations], "nothing was found")
    if answer.next_page_token:
        output.say(f"the newest {len(answer.reconciliations)} records; --most shows more")
    if answer.waiting:
        output.say(f"{answer.waiting} further records wait for the store")
    return ExitCode.DONE


def _row(record: reconciliation_pb2.Reconciliation) -> Sequence[str]:
    ids = record.order_ids or record.venue_order_ids
    more = f" and {len(ids) - _ORDERS_SHOWN} more" if len(ids) > _ORDERS_SHOWN else ""
    return (
        output.local_time(record.time),
        escape(record.connection_id),
        output.word(reconciliation_pb2.ReconciliationKind.Name(record.kind), _PREFIX),
        str(record.count),
        str(record.sequence),
        escape(record.found),
        escape(record.decided),
        escape(" ".join(ids[:_ORDERS_SHOWN]) + more),
    )
