"""What is recorded of a change, and of who made it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import pytest
from google.protobuf.json_format import MessageToDict

from ordermesh.event.v1 import audit_record_pb2
from ordermesh.type.v1 import actor_pb2
from services.kernel.errors import CodedError, not_found, unavailable
from services.kernel.identifiers import UuidV7
from services.kernel.instrument import InstrumentId
from services.mesh.access.caller import Caller
from services.mesh.audit import Change, Origin, Recorder, actor_bytes, asked, proven
from services.mesh.context import Call, enter_call
from services.mesh.snapshots import snapshot
from tests.fakes.audit import FakeNotes
from tests.fakes.clock import FakeClock

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Colour(enum.IntEnum):
    """Something with names."""

    RED = 1


class Pair(NamedTuple):
    """Two things."""

    one: int
    two: str


@dataclass(frozen=True)
class Thing:
    """Something that is changed."""

    name: InstrumentId
    colour: Colour
    size: Decimal
    parts: frozenset[str]
    at: datetime
    pair: Pair
    big: int = 1 << 60
    secret: str = field(default="hidden", repr=False)


def recorder() -> Recorder:
    """Returns a recorder of the service `risk`."""
    return Recorder("risk", FakeClock(), UuidV7(FakeClock()))


def recorded(change: Change) -> audit_record_pb2.AuditRecord:
    """Returns the record of a change."""
    return audit_record_pb2.AuditRecord.FromString(recorder().record(change))


def call(caller: Caller | None = None) -> Call:
    """Returns a call, and says that this task serves it."""
    made = Call("/a.B/C", None, f"00-{TRACE}-b7ad6b7169203331-00", find_address=lambda: "192.0.2.1")
    made.caller, made.roles = caller, frozenset() if caller is None else caller.roles
    enter_call(made)
    return made


def user() -> Caller:
    """Returns a user."""
    nothing: frozenset[int] = frozenset()
    return Caller("u-1", False, frozenset({1, 5}), nothing, 1, frozenset(), "s-1", 0)


def test_a_snapshot_is_json_and_keeps_secrets_out() -> None:
    """Enums by name, decimals as written, sets in order, numbers that are exact; what `repr` hides is left out."""
    thing = Thing(
        InstrumentId.parse("AAPL.XNAS"),
        Colour.RED,
        Decimal("1.50"),
        frozenset({"b", "a"}),
        datetime(2026, 1, 2, tzinfo=UTC),
        Pair(1, "x"),
    )
    assert snapshot(thing) == {
        "name": "AAPL.XNAS",
        "colour": "RED",
        "size": "1.5",
        "parts": ["a", "b"],
        "at": "2026-01-02T00:00:00+00:00",
        "pair": {"one": 1, "two": "x"},
        "big": str(1 << 60),
    }
    record = recorded(Change("thing", "1", new=thing))
    assert MessageToDict(record.new_value)["parts"] == ["a", "b"]
    assert b"hidden" not in record.SerializeToString()


def test_nothing_is_told_apart_from_empty() -> None:
    """What was made has no old value; what was there without fields has an empty one."""
    record = recorded(Change("thing", old={}))
    assert (record.HasField("old_value"), record.HasField("new_value")) == (True, False)


async def test_a_record_says_who_called() -> None:
    """By whose token, by which roles, from where, in which trace; of which world an account is that they may reach."""
    call(user())
    record = recorded(Change("thing", account_id="a-1"))
    actor = record.actor
    assert (actor.user_id, list(actor.roles), actor.session_id) == ("u-1", [1, 5], "s-1")
    assert (actor.address, actor.request_id, record.rpc, record.environment) == ("192.0.2.1", TRACE, "/a.B/C", 1)
    assert recorded(Change("thing")).environment == 0


async def test_a_service_is_no_user() -> None:
    """One that calls is told by its name; what is done in no call the service did by itself."""
    nothing: frozenset[int] = frozenset()
    call(Caller("market", True, nothing, nothing, 0, frozenset(), "", 0))
    assert (recorded(Change("thing")).actor.service, recorded(Change("thing")).actor.user_id) == ("market", "")
    enter_call(None)
    assert recorded(Change("thing")).actor.service == "risk"


async def test_who_is_not_asked_is_nobody() -> None:
    """Where services do not look at callers, the call alone is told; who proves in it who they are is told, too."""
    call()
    record = recorded(Change("thing"))
    assert (record.actor.user_id, record.actor.service, record.actor.address) == ("", "", "192.0.2.1")
    assert proven("u-2", [1], "s-2").user_id == recorded(Change("thing", by=proven("u-2", [1]))).actor.user_id == "u-2"


async def test_the_bytes_of_an_actor_are_the_message() -> None:
    """They are put together from what is remembered, and read the same."""
    for caller in (user(), None):
        made = call(caller)
        assert actor_bytes(made) == actor_bytes(made)
        assert actor_pb2.Actor.FromString(actor_bytes(made)) == Origin.of(made).actor()


async def test_what_a_venue_keeps_is_recorded_twice() -> None:
    """Before it is asked for, and what came of it."""
    notes = FakeNotes()
    async with asked(notes, Change("auction", "X", new={"a": 1})) as answer:
        assert [each.asked for each in notes.changes] == [True]
        answer.new = {"a": 2}
    assert (notes.changes[1].asked, notes.changes[1].new) == (False, {"a": 2})
    with pytest.raises(CodedError):
        async with asked(notes, Change("auction", "X")):
            raise not_found("UNKNOWN_INSTRUMENT", "no")
    assert notes.changes[-1].refused == "UNKNOWN_INSTRUMENT"
    with pytest.raises(CodedError):
        async with asked(notes, Change("auction", "Y")):
            raise unavailable("VENUE_UNAVAILABLE", "the venue does not answer")
    # It may have been done: nobody says that it was refused, and nothing has changed.
    assert [(each.asked, each.refused) for each in notes.changes if each.entity_id == "Y"] == [(True, "")]
    notes.broken = True
    reached = False
    with pytest.raises(CodedError, match="store"):
        async with asked(notes, Change("auction", "X")):
            reached = True
    assert not reached
