"""`ordermesh audit`: who changed what, and the proof that the record of it is as it was written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from google.protobuf.json_format import MessageToDict
from rich.markup import escape

from ordermesh.event.v1 import audit_record_pb2
from ordermesh.identity.v1 import audit_pb2
from services.cli import options, output, terms
from services.cli.address import Where
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.cli.output import Column

_COLUMNS: Final = (
    Column("place", number=True),
    Column("time"),
    Column("who"),
    Column("from"),
    Column("what"),
    Column("entity"),
    Column("outcome"),
    Column("change"),
)
_KNOWN: Final = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")
_MOST_PLACES: Final = 10
_MOST_TOLD: Final = 160

audit = typer.Typer(no_args_is_help=True, help="Who changed what. For compliance and admins.")

User = Annotated[str, typer.Option("--user", metavar="ID", help="Done by this user.")]
Type = Annotated[str, typer.Option("--type", metavar="TYPE", help="Of this kind, such as user or kill_switch.")]
Entity = Annotated[str, typer.Option("--entity", metavar="ID", help="Of the entity with this id.")]
Account = Annotated[str, typer.Option("--account", metavar="ID", help="Of this account.")]
Source = Annotated[str, typer.Option("--source", metavar="SERVICE", help="Recorded by this service.")]
Trace = Annotated[str, typer.Option("--request", metavar="TRACE", help="Of the call with this trace.")]
Since = Annotated[str, typer.Option("--since", metavar="TIME", help="Recorded at this time or later.")]
Until = Annotated[str, typer.Option("--until", metavar="TIME", help="Recorded before this time.")]
Known = Annotated[
    str, typer.Option("--known", metavar="PLACE:HASH", help="What an earlier run has told: it must still be so.")
]
Orders = Annotated[bool, typer.Option("--orders/--no-orders", help="Also that the order log is what the chain says.")]


@audit.command("list")
def list_(
    *,
    user: User = "",
    type_: Type = "",
    entity: Entity = "",
    account: Account = "",
    source: Source = "",
    request: Trace = "",
    since: Since = "",
    until: Until = "",
    most: options.Most = 100,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Lists records, the last first."""
    wanted = audit_pb2.ListAuditRecordsRequest(
        user_id=user,
        entity_type=type_,
        entity_id=entity,
        account_id=account,
        source=source,
        request_id=request,
        to=terms.time_of(until),
        page_size=most,
    )
    if (begin := terms.time_of(since)) is not None:
        getattr(wanted, "from").CopyFrom(begin)  # a word of Python
    run(Where(address, ca), lambda mesh: _list(mesh, wanted, as_json=json))


@audit.command()
def verify(
    *,
    known: Known = "",
    orders: Orders = True,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Verifies the whole chain; exits with 1 when something is wrong, or no record, and names which."""
    if known and _KNOWN.fullmatch(known) is None:
        raise typer.BadParameter(f"{known!r} is not PLACE:HASH, as `ordermesh audit verify` tells it")
    run(Where(address, ca), lambda mesh: _verify(mesh, known, orders=orders, as_json=json))


async def _list(mesh: Mesh, request: audit_pb2.ListAuditRecordsRequest, *, as_json: bool) -> int:
    answer = await mesh.audit.ListAuditRecords(request)
    if as_json:
        output.print_json(answer)
        return ExitCode.DONE
    output.show(_COLUMNS, [_row(entry.record) for entry in answer.entries], "there are no records")
    if answer.next_page_token:
        output.say(f"the last {len(answer.entries)} records; --most shows more")
    return ExitCode.DONE


async def _verify(mesh: Mesh, known: str, *, orders: bool, as_json: bool) -> int:
    answer = audit_pb2.VerifyAuditResponse()
    if (found := _KNOWN.fullmatch(known)) is not None:
        request = audit_pb2.VerifyAuditRequest(after_sequence=int(found[1]), after_hash=found[2], limit=1)
        answer = await mesh.audit.VerifyAudit(request)
    if not answer.HasField("fault"):
        answer = await _walk(mesh, orders=orders)
    if as_json:
        output.print_json(answer)
    elif answer.HasField("fault"):
        output.complain(f"record {answer.fault.sequence}: {answer.fault.text}")
    else:
        output.console().print(f"{answer.verified_sequence} records are as they were written")
        output.console().print(f"known: {answer.verified_sequence}:{answer.verified_hash}", soft_wrap=True)
    if not as_json and (unreadable := answer.unreadable_sequences):
        output.complain(f"{len(unreadable)} of them hold what is no record: {_places(unreadable)}")
    return ExitCode.REFUSED if answer.HasField("fault") or answer.unreadable_sequences else ExitCode.DONE


def _places(sequences: Sequence[int]) -> str:
    told = ", ".join(map(str, sequences[:_MOST_PLACES]))
    return told if len(sequences) <= _MOST_PLACES else f"{told}, … (--json tells all)"


async def _walk(mesh: Mesh, *, orders: bool) -> audit_pb2.VerifyAuditResponse:
    """Returns how far the chain is good: to its end, as it was when the walk began, or to the first fault."""
    request, end = audit_pb2.VerifyAuditRequest(order_log=orders), None
    unreadable: list[int] = []
    while True:
        answer = await mesh.audit.VerifyAudit(request)
        end = answer.last_sequence if end is None else end
        unreadable += answer.unreadable_sequences
        if answer.HasField("fault") or answer.verified_sequence >= end:
            answer.unreadable_sequences[:] = unreadable
            return answer
        request.after_sequence, request.after_hash = answer.verified_sequence, answer.verified_hash


def _row(record: audit_record_pb2.AuditRecord) -> Sequence[str]:
    actor = record.actor
    by = actor.username or actor.user_id or (f"service {actor.service}" if actor.service else "nobody known")
    outcome = output.word(audit_record_pb2.AuditOutcome.Name(record.outcome), "AUDIT_OUTCOME_")
    return (
        str(record.sequence),
        output.local_time(record.at),
        escape(by),
        actor.address,
        record.rpc.rpartition("/")[2] or "by itself",
        escape(f"{record.entity_type} {record.entity_id or record.account_id}"),
        f"{outcome}: {record.reason}" if record.reason else outcome,
        escape(changed(record)),
    )


def changed(record: audit_record_pb2.AuditRecord) -> str:
    """Returns what has changed in a line: of what was made or is gone, everything that was told."""
    old, new = MessageToDict(record.old_value), MessageToDict(record.new_value)
    if not record.HasField("new_value"):
        text = f"was {_told(old)}" if old else ""
    elif not record.HasField("old_value"):
        text = _told(new)
    else:
        differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        text = ", ".join(f"{name}: {_one(old.get(name))} -> {_one(new.get(name))}" for name in differing)
    return text if len(text) <= _MOST_TOLD else f"{text[:_MOST_TOLD]}… (--json tells all)"


def _told(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {_one(value)}" for name, value in values.items() if value not in (None, "", [], {}))


def _one(value: Any) -> str:
    # JSON has no whole numbers: they come as floats, and are told in full.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
