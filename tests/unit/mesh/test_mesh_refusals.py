"""Refused calls: counted, recorded now and then, never as many as somebody likes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordermesh.event.v1 import event_log_service_pb2, event_log_service_pb2_grpc
from ordermesh.portfolio.v1 import account_admin_pb2, portfolio_service_pb2_grpc
from services.kernel.errors import CodedError, ErrorKind, exhausted, not_found, permission, unavailable
from services.mesh.access.accounts import AccountAccess
from services.mesh.audit import Change, Origin
from services.mesh.context import Call, enter_call
from services.mesh.refusals import CALL, MOST, MOST_OF_ONE, TURNS, Refusals
from tests.fakes.access import SIMULATION, FakeEnvironments, FakeIdentity, call_of, caller, guard
from tests.fakes.audit import FakeNotes
from tests.fakes.certificates import SERVER, FakeCompany
from tests.fakes.clock import FakeClock
from tests.fakes.mesh_servicers import Log, raising
from tests.fixtures.serving import serving

DENIED = "PERMISSION_DENIED"


@pytest.fixture(autouse=True)
def _no_call() -> Iterator[None]:
    """No test leaves its caller to the next one."""
    yield
    enter_call(None)


def refusal(user: str = "ann", rpc: str = "/a.B/C", account: str = "", reason: str = DENIED) -> Change:
    """Returns something that was refused to a user."""
    return Change(CALL, account_id=account, environment=1, refused=reason, by=Origin(user_id=user, rpc=rpc))


def times(notes: FakeNotes) -> list[int]:
    """Returns how often each record says."""
    return [each.new["times"] for each in notes.changes]


async def test_what_is_the_same_is_one_record_of_a_window() -> None:
    """Soon after the first; what comes in the window after it is told at its end, with when it began and ended."""
    clock, notes = FakeClock(), FakeNotes()
    refusals = Refusals(clock)
    began = clock.now()
    for _ in range(3):
        refusals.count(refusal())
        clock.advance(timedelta(seconds=1))
    await refusals.record(notes)
    (first,) = notes.changes
    assert (first.entity_type, first.refused, first.by) == (CALL, DENIED, Origin(user_id="ann", rpc="/a.B/C"))
    assert first.new == {"times": 3, "first_at": began, "last_at": began + timedelta(seconds=2)}
    again = clock.now()
    refusals.count(refusal())
    for _ in range(TURNS - 1):
        await refusals.record(notes)
        clock.advance(timedelta(seconds=1))
    assert times(notes) == [3]
    refusals.count(refusal())
    await refusals.record(notes)
    assert times(notes) == [3, 2]
    assert notes.changes[1].new["first_at"] == again


async def test_callers_rpcs_accounts_and_reasons_are_told_apart() -> None:
    """Each has a record of its own, and an account is found by its name."""
    refusals, notes = Refusals(FakeClock()), FakeNotes()
    each = [refusal(), refusal("bob"), refusal(rpc="/a.B/D"), refusal(account="a-1"), refusal(reason="UNKNOWN_ORDER")]
    for change in each:
        refusals.count(change)
    await refusals.record(notes)
    assert times(notes) == [1] * len(each)
    assert [change.account_id for change in notes.changes].count("a-1") == 1


async def test_nobody_pushes_others_out() -> None:
    """Who tries everything has some records and one of the rest; so have very many callers together."""
    refusals, notes = Refusals(FakeClock()), FakeNotes()
    for number in range(1000):
        refusals.count(refusal("eve", account=f"a-{number}"))
    refusals.count(refusal("bob"))
    await refusals.record(notes)
    assert len(notes.changes) == MOST_OF_ONE + 2
    (rest,) = [each for each in notes.changes if each.new.get("of") == "further calls"]
    assert (rest.by, rest.account_id, rest.new["times"]) == (Origin(user_id="eve"), "", 1000 - MOST_OF_ONE)
    for number in range(1000):
        refusals.count(refusal(f"user-{number}"))
    notes.changes.clear()
    await refusals.record(notes)
    assert sum(times(notes)) == 1000
    (others,) = [each for each in notes.changes if each.new.get("of") == "further callers"]
    assert (others.by, others.environment) == (Origin(), 0)
    # Another reason is not crowded by this one.
    refusals.count(refusal("carl", reason="UNKNOWN_ORDER"))
    notes.changes.clear()
    await refusals.record(notes)
    assert [(each.by, each.refused) for each in notes.changes] == [
        (Origin(user_id="carl", rpc="/a.B/C"), "UNKNOWN_ORDER")
    ]


STEP = st.one_of(
    st.tuples(st.just("refuse"), st.integers(0, 400), st.integers(0, 40)),
    st.tuples(st.just("record"), st.integers(1, 2 * TURNS), st.just(0)),
    st.tuples(st.just("break"), st.just(0), st.just(0)),
)


@given(steps=st.lists(STEP, max_size=60), many=st.integers(0, 300))
async def test_nothing_is_lost_and_the_store_is_not_flooded(steps: list[tuple[str, int, int]], many: int) -> None:
    """Every refusal is in some record once it is closed; in a window there are at most so many, whatever is done."""
    refusals, notes, counted, recorded = Refusals(FakeClock()), FakeNotes(), 0, 0
    for number in range(many):
        refusals.count(refusal(f"user-{number}"))
    counted = many
    for kind, first, second in steps:
        before = len(notes.changes)
        if kind == "refuse":
            refusals.count(refusal(f"user-{first}", rpc=f"/a.B/{second}"))
            counted += 1
        elif kind == "break":
            notes.broken = not notes.broken
        for _ in range(first if kind == "record" else 0):
            try:
                await refusals.record(notes)
            except CodedError:
                assert notes.broken
        recorded = len(notes.changes) - before
        # One record of each that was counted before, and of those that are counted together.
        assert recorded <= MOST + MOST // MOST_OF_ONE + 1
    notes.broken = False
    await refusals.close(notes)
    assert sum(times(notes)) == counted


async def test_what_cannot_be_recorded_waits() -> None:
    """The store is away: it is recorded as soon as it is back, what came meanwhile with it."""
    clock, notes = FakeClock(), FakeNotes()
    refusals, began = Refusals(clock), clock.now()
    refusals.count(refusal())
    notes.broken = True
    with pytest.raises(CodedError):
        await refusals.record(notes)
    clock.advance(timedelta(seconds=1))
    refusals.count(refusal())
    await refusals.close(notes)
    assert notes.changes == []
    notes.broken = False
    await refusals.record(notes)
    assert [each.new["times"] for each in notes.changes] == [2]
    assert notes.changes[0].new["first_at"] == began


async def test_addresses_of_one_network_are_one_caller() -> None:
    """Nobody who calls is known: of IPv6 everybody has as many addresses as they like."""
    refusals, notes = Refusals(FakeClock()), FakeNotes()
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.1", "192.0.2.2"):
        refusals.count(Change(CALL, refused=DENIED, by=Origin(address=address)))
    await refusals.record(notes)
    assert times(notes) == [2, 1, 1, 1]


async def test_which_errors_are_refusals() -> None:
    """Where somebody went where they may not, or tried too often; not what fails or is not there."""
    refusals, notes = Refusals(FakeClock()), FakeNotes()
    call = Call("/a.B/C", None)
    for error in (not_found("UNKNOWN_ORDER", "no"), unavailable("OVERLOADED", "later")):
        refusals.refused(call, error, "demo")
    await refusals.record(notes)
    assert notes.changes == []
    refusals.refused(call, permission(DENIED, "no"), "demo")
    refusals.refused(call, exhausted("TOO_MANY_ATTEMPTS", "later", retry_after_seconds=1), "")
    access = AccountAccess(FakeEnvironments({"demo": SIMULATION, "other": SIMULATION}))
    theirs = call_of(caller("trader", accounts=("demo",)))
    enter_call(theirs)
    assert await access.reaches("demo")
    refusals.refused(theirs, not_found("UNKNOWN_ORDER", "no"), "")
    assert not await access.reaches("other")
    refusals.refused(theirs, not_found("UNKNOWN_ORDER", "no"), "")
    await refusals.record(notes)
    assert [(each.refused, each.account_id) for each in notes.changes] == [
        (DENIED, "demo"),
        ("TOO_MANY_ATTEMPTS", ""),
        ("UNKNOWN_ORDER", "other"),
    ]


class Desk(portfolio_service_pb2_grpc.PortfolioServiceServicer):
    """Nobody gets here."""


async def test_a_server_counts_who_was_refused(tmp_path: Path) -> None:
    """A user by a role, a service by its name, and for which account, if that is the name of one."""
    identity, company, notes = FakeIdentity(FakeClock()), FakeCompany(tmp_path), FakeNotes()
    refusals = Refusals(identity.clock)
    bearer = (("authorization", f"Bearer {identity.token(roles=['service'])}"),)
    ours, order = company.service(SERVER), company.service("order")
    add = portfolio_service_pb2_grpc.add_PortfolioServiceServicer_to_server
    async with serving(add, Desk(), access=guard(identity), certificate=ours, as_=order, refusals=refusals) as served:
        stub: Any = portfolio_service_pb2_grpc.PortfolioServiceStub(served.channel)
        for account in ("demo", "x" * 1000):
            with pytest.raises(CodedError):
                await stub.GetAccount(account_admin_pb2.GetAccountRequest(account_id=account), metadata=bearer)
    add_log = event_log_service_pb2_grpc.add_EventLogServiceServicer_to_server
    market = company.service("market")
    async with serving(
        add_log, Log(), access=guard(identity), certificate=ours, as_=market, refusals=refusals
    ) as served:
        log: Any = event_log_service_pb2_grpc.EventLogServiceStub(served.channel)
        with pytest.raises(CodedError):
            await log.ReadEvents(event_log_service_pb2.ReadEventsRequest())
    await refusals.record(notes)
    told = [(_who(each), each.account_id, each.environment) for each in notes.changes]
    assert told == [("user-1", "demo", SIMULATION), ("user-1", "", SIMULATION), ("market", "", 0)]
    assert notes.changes[0].by is not None
    assert notes.changes[0].by.rpc == "/ordermesh.portfolio.v1.PortfolioService/GetAccount"


def _who(change: Change) -> str:
    assert change.by is not None
    return change.by.user_id or change.by.service


async def test_what_a_peer_has_refused_is_the_peers(log: Log, stub: Any) -> None:
    """It has recorded that: who hands the error on does not, once more."""
    log.answer = raising(permission(DENIED, "no"))
    with pytest.raises(CodedError) as caught:
        await stub.ReadEvents(event_log_service_pb2.ReadEventsRequest())
    assert (caught.value.kind, caught.value.by_peer) == (ErrorKind.PERMISSION, True)
    assert not permission(DENIED, "no").by_peer
    refusals, notes = Refusals(FakeClock()), FakeNotes()

    async def handing_on(_request: Any) -> Any:
        raise caught.value

    log.answer = handing_on
    async with serving(
        event_log_service_pb2_grpc.add_EventLogServiceServicer_to_server, log, refusals=refusals
    ) as served:
        through: Any = event_log_service_pb2_grpc.EventLogServiceStub(served.channel)
        with pytest.raises(CodedError):
            await through.ReadEvents(event_log_service_pb2.ReadEventsRequest())
    await refusals.record(notes)
    assert notes.changes == []
