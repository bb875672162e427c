"""Replaces over a real Postgres and Redis: what callers, risk and the venue are told, and what a crash leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ordermesh.broker.v1 import routing_service_pb2 as routing
from ordermesh.event.v1 import event_log_service_pb2, event_pb2
from ordermesh.order.v1 import order_entry_pb2, order_pb2, order_query_pb2
from ordermesh.order.v1.execution_report_pb2 import (
    EXECUTION_TYPE_PENDING_REPLACE,
    EXECUTION_TYPE_REPLACE_REJECTED,
    EXECUTION_TYPE_REPLACED,
    EXECUTION_TYPE_TRADE,
)
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_CANCELED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
    ORDER_STATUS_PARTIALLY_FILLED,
    ORDER_STATUS_PENDING_CANCEL,
    ORDER_STATUS_PENDING_REPLACE,
)
from ordermesh.order.v1.order_replace_pb2 import REPLACE_STATUS_REJECTED, REPLACE_STATUS_REPLACED
from ordermesh.type.v1 import error_pb2, risk_breach_pb2
from services.kernel.errors import CodedError, ErrorKind
from tests.fakes.order_peers import Peers
from tests.fakes.order_risk import refuse
from tests.fakes.order_venue import do_replace, ignore_replace, refuse_replace
from tests.fakes.order_world import Client, OrderProcess, checked, client_of, ready, serving
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.usefixtures("resting_peers")


async def resting(client: Client) -> order_pb2.Order:
    """Places an order of 100 at 187.25 and waits until the venue has it."""
    placed = await client.place()
    return await client.until(placed.order_id, ORDER_STATUS_NEW)


def trade(peers: Peers, order_id: str, quantity: str, cumulative: str) -> None:
    """Lets the venue trade some of an order."""
    told = routing.VenueReport(
        type=routing.VENUE_REPORT_TYPE_TRADE,
        last_price="187.25",
        last_quantity=quantity,
        cumulative_quantity=cumulative,
    )
    peers.broker.tell([peers.broker.venue.report(order_id, told)])


def answer(peers: Peers, how: Any) -> None:
    """Lets the venue answer the replace that it was last sent."""
    command = [c for c in peers.broker.venue.commands if c.HasField("replace")][-1]
    venue = peers.broker.venue
    peers.broker.tell([venue.report(command.replace.order_id, report) for report in how(command)])


def replaces_at(peers: Peers, order_id: str) -> list[routing.ReplaceVenueOrder]:
    """Returns the replaces of an order that the venue was sent."""
    commands = peers.broker.venue.commands
    return [c.replace for c in commands if c.HasField("replace") and c.replace.order_id == order_id]


async def test_a_replace_from_request_to_answer(client: Client, peers: Peers) -> None:
    """PENDING_REPLACE with the original terms, then the new ones; the history has both, the venue got the result."""
    peers.broker.venue.on_replace = ignore_replace
    order = await resting(client)
    pending = await client.replace(order.order_id, quantity="120", limit_price="188.00")
    assert (pending.order_status, pending.quantity, pending.limit_price) == (
        ORDER_STATUS_PENDING_REPLACE,
        "100",
        "187.25",
    )
    assert (pending.replace.quantity, pending.replace.limit_price) == ("120", "188")
    await eventually(lambda: replaces_at(peers, order.order_id))
    held = peers.risk.reserved[order.order_id]
    assert (held.replace.quantity, held.replace.order_quantity, held.replace.limit_price) == ("120", "120", "188")
    answer(peers, do_replace)
    replaced = await client.until(order.order_id, ORDER_STATUS_NEW)
    assert (replaced.quantity, replaced.leaves_quantity, replaced.limit_price) == ("120", "120", "188")
    assert replaced.replace.replace_status == REPLACE_STATUS_REPLACED
    last = (await client.history(order.order_id))[2:]
    assert [r.execution_type for r in last] == [EXECUTION_TYPE_PENDING_REPLACE, EXECUTION_TYPE_REPLACED]
    assert [(r.quantity, r.replace.original_quantity) for r in last] == [("100", "100"), ("120", "100")]
    [command] = replaces_at(peers, order.order_id)
    assert (command.instrument, command.quantity, command.limit_price) == ("AAPL.XNAS", "120", "188")
    await eventually(lambda: peers.risk.reserved[order.order_id].quantity == "120")
    assert not peers.risk.reserved[order.order_id].HasField("replace")


async def test_a_refused_replace_is_told_with_its_reason(client: Client, peers: Peers) -> None:
    """The order is what it was; the report and the order's newest replace say what happened."""
    peers.broker.venue.on_replace = refuse_replace
    order = await resting(client)
    await client.replace(order.order_id, limit_price="188")
    after = await client.until(order.order_id, ORDER_STATUS_NEW)
    assert (after.limit_price, after.replace.replace_status) == ("187.25", REPLACE_STATUS_REJECTED)
    last = (await client.history(order.order_id))[-1]
    assert (last.execution_type, last.reason, last.text) == (
        EXECUTION_TYPE_REPLACE_REJECTED,
        error_pb2.ERROR_REASON_VENUE_REJECTED,
        "not now",
    )
    await eventually(lambda: not peers.risk.reserved[order.order_id].HasField("replace"))


async def test_a_replace_below_what_has_traded_meanwhile(client: Client, peers: Peers) -> None:
    """The fill carries the original terms; the order ends FILLED with what has traded, and risk holds nothing."""
    peers.broker.venue.on_replace = ignore_replace
    order = await resting(client)
    await client.replace(order.order_id, quantity="20")
    await eventually(lambda: replaces_at(peers, order.order_id))
    trade(peers, order.order_id, "30", "30")
    answer(peers, do_replace)
    ended = await client.until(order.order_id, ORDER_STATUS_FILLED)
    assert (ended.quantity, ended.cumulative_quantity, ended.leaves_quantity) == ("30", "30", "0")
    fill, done = (await client.history(order.order_id))[-2:]
    assert (fill.execution_type, fill.quantity, fill.leaves_quantity) == (EXECUTION_TYPE_TRADE, "100", "70")
    assert fill.order_status == ORDER_STATUS_PENDING_REPLACE
    assert (done.execution_type, done.replace.quantity) == (EXECUTION_TYPE_REPLACED, "20")
    await eventually(lambda: order.order_id not in peers.risk.reserved)
    with pytest.raises(CodedError, match="ORDER_NOT_LIVE"):
        await client.replace(order.order_id, "r-2", quantity="50")


async def test_a_cancel_that_crosses_a_replace(client: Client, peers: Peers) -> None:
    """The venue refuses the replace first, which leaves the cancel pending, and then cancels."""
    peers.broker.venue.on_replace = ignore_replace
    order = await resting(client)
    await client.replace(order.order_id, quantity="120")
    await eventually(lambda: replaces_at(peers, order.order_id))
    peers.broker.disconnect()
    canceled = await client.orders.CancelOrder(order_entry_pb2.CancelOrderRequest(order_id=order.order_id))
    assert canceled.order.order_status == ORDER_STATUS_PENDING_CANCEL
    with pytest.raises(CodedError, match="CHANGE_PENDING"):
        await client.replace(order.order_id, "r-2", quantity="130")
    command = peers.broker.venue.commands[-1]
    for refusal in refuse_replace(command):
        peers.broker.venue.report(order.order_id, refusal)
    peers.broker.connect()
    await client.until(order.order_id, ORDER_STATUS_CANCELED)
    types = [report.execution_type for report in await client.history(order.order_id)]
    assert types[2:] == [EXECUTION_TYPE_PENDING_REPLACE, 4, EXECUTION_TYPE_REPLACE_REJECTED, 5]


async def test_a_lost_answer_is_got_by_asking_again(client: Client, peers: Peers) -> None:
    """The same request replaces once, however long ago it was; another under its id is refused."""
    order = await resting(client)
    for number, quantity in enumerate(("110", "120", "130")):
        await client.replace(order.order_id, f"r-{number}", quantity=quantity)
        await client.until(order.order_id, ORDER_STATUS_NEW)
    again = await client.replace(order.order_id, "r-0", quantity="110.0")
    assert (again.quantity, again.replace.replace_id) == ("130", "r-2")
    with pytest.raises(CodedError, match="DUPLICATE_REPLACE_ID") as caught:
        await client.replace(order.order_id, "r-0", quantity="111")
    assert caught.value.kind is ErrorKind.ALREADY_EXISTS
    assert [replace.quantity for replace in replaces_at(peers, order.order_id)] == ["110", "120", "130"]


async def test_the_order_is_still_known_by_its_first_request(client: Client) -> None:
    """Placed again under its client order id, with the terms of then, it is found as it stands now."""
    order = await client.until((await client.place("mine")).order_id, ORDER_STATUS_NEW)
    await client.replace(order.order_id, quantity="120")
    await client.until(order.order_id, ORDER_STATUS_NEW)
    found = await client.place("mine")
    assert (found.order_id, found.quantity) == (order.order_id, "120")


BAD_FIELDS = [
    ({"order_id": "mine"}, "INVALID_FIELD", "order_id"),
    ({"replace_id": ""}, "INVALID_FIELD", "replace_id"),
    ({"replace_id": "two words"}, "INVALID_FIELD", "replace_id"),
    ({"quantity": ""}, "INVALID_FIELD", "quantity"),
    ({"quantity": "0"}, "INVALID_FIELD", "quantity"),
    ({"quantity": "-1"}, "INVALID_FIELD", "quantity"),
    ({"quantity": "0.5"}, "QUANTITY_OFF_LOT", "quantity"),
    ({"quantity": "99999999"}, "QUANTITY_OUT_OF_RANGE", "quantity"),
    ({"limit_price": "high"}, "INVALID_FIELD", "limit_price"),
    ({"limit_price": "187.255"}, "PRICE_OFF_TICK", "limit_price"),
]


async def test_bad_input_is_refused_by_field_and_changes_nothing(client: Client) -> None:
    """INVALID_ARGUMENT with a reason of the contract and the field."""
    order = await resting(client)
    for changes, reason, field in BAD_FIELDS:
        fields: dict[str, Any] = {"order_id": order.order_id, "replace_id": "r-1", "quantity": "120"} | changes
        with pytest.raises(CodedError) as caught:
            await client.replace(**fields)
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.INVALID, reason), changes
        assert [violation.field for violation in caught.value.violations] == [field]
    assert (await client.order(order.order_id)).version == order.version


async def test_what_the_state_of_the_order_does_not_allow(client: Client, peers: Peers) -> None:
    """An order that nobody knows, one that has moved on, one that is being replaced."""
    with pytest.raises(CodedError, match="UNKNOWN_ORDER") as caught:
        await client.replace("00000000-0000-7000-8000-000000000000", quantity="1")
    assert caught.value.kind is ErrorKind.NOT_FOUND
    order = await resting(client)
    with pytest.raises(CodedError, match="VERSION_MISMATCH") as caught:
        await client.replace(order.order_id, quantity="120", expected_version=1)
    assert (caught.value.kind, caught.value.metadata["version"]) == (ErrorKind.ABORTED, "2")
    peers.broker.venue.on_replace = ignore_replace
    await client.replace(order.order_id, quantity="120", expected_version=2)
    with pytest.raises(CodedError, match="CHANGE_PENDING") as caught:
        await client.replace(order.order_id, "r-2", quantity="130")
    assert caught.value.kind is ErrorKind.PRECONDITION


async def test_a_refusal_by_risk_is_told_in_full(client: Client, peers: Peers) -> None:
    """FAILED_PRECONDITION with the rule; nothing is stored; a reduction goes through all the same."""
    order = await resting(client)
    peers.risk.decide = refuse
    with pytest.raises(CodedError, match="RISK_LIMIT_EXCEEDED") as caught:
        await client.replace(order.order_id, quantity="120")
    assert caught.value.kind is ErrorKind.PRECONDITION
    [breach] = caught.value.details
    assert isinstance(breach, risk_breach_pb2.RiskBreach)
    assert breach.limit == "10"
    assert (await client.order(order.order_id)).version == order.version
    await client.replace(order.order_id, quantity="60")
    assert (await client.until(order.order_id, ORDER_STATUS_NEW)).quantity == "60"


async def test_without_a_risk_answer_a_replace_is_refused(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """RISK_UNAVAILABLE within the time allowed; the hold is let go, and the same request goes through later."""
    async with serving(postgres_url, redis_url, peers, risk_timeout_seconds=0.2) as client:
        await ready(client, peers)
        order = await checked(lambda: resting(client))
        peers.risk.silent = True
        with pytest.raises(CodedError, match="RISK_UNAVAILABLE"):
            await client.replace(order.order_id, quantity="120")
        await eventually(lambda: peers.risk.released_replaces == [order.order_id])
        assert peers.risk.reserved[order.order_id].quantity == "100"
        peers.risk.silent = False
        await checked(lambda: client.replace(order.order_id, quantity="120"))
        assert (await client.until(order.order_id, ORDER_STATUS_NEW)).quantity == "120"


async def test_lists_streams_and_the_bus_log_tell_replaces(client: Client, peers: Peers) -> None:
    """PENDING_REPLACE can be filtered for and is in a snapshot; the events are of the topic `order.placed`."""
    peers.broker.venue.on_replace = ignore_replace
    order = await resting(client)
    await client.replace(order.order_id, quantity="120")
    wanted = order_query_pb2.ListOrdersRequest(account_id="demo", status=[ORDER_STATUS_PENDING_REPLACE])
    assert [each.order_id for each in (await client.orders.ListOrders(wanted)).orders] == [order.order_id]
    call = client.stream()
    while not (message := await call.read()).HasField("snapshot"):
        pass
    assert [each.replace.quantity for each in message.snapshot.orders] == ["120"]
    await eventually(lambda: replaces_at(peers, order.order_id))
    answer(peers, do_replace)
    while not (message := await call.read()).HasField("update"):
        pass
    assert [report.execution_type for report in message.update.reports] == [EXECUTION_TYPE_REPLACED]
    call.cancel()
    request = event_log_service_pb2.ReadEventsRequest(topics=[event_pb2.TOPIC_ORDER_PLACED])
    events = (await client.events.ReadEvents(request)).events
    types = [e.execution_report.execution_type for e in events if e.execution_report.order_id == order.order_id]
    assert types == [1, 2, EXECUTION_TYPE_PENDING_REPLACE, EXECUTION_TYPE_REPLACED]


async def test_a_replace_waits_for_a_venue_that_is_away(client: Client, peers: Peers) -> None:
    """It is sent once the connection is up, after what was asked for before it; none is sent twice."""
    peers.broker.disconnect()
    placed = await client.place()
    await client.replace(placed.order_id, quantity="120")
    assert not replaces_at(peers, placed.order_id)
    peers.broker.connect()
    after = await client.until(placed.order_id, ORDER_STATUS_NEW)
    assert after.quantity == "120"
    assert len(replaces_at(peers, placed.order_id)) == 1


async def test_risk_that_comes_back_is_told_of_pending_replaces(client: Client, peers: Peers) -> None:
    """With what the order is and what it may become, fills taken off both."""
    peers.broker.venue.on_replace = ignore_replace
    order = await resting(client)
    await client.replace(order.order_id, quantity="120")
    await eventually(lambda: replaces_at(peers, order.order_id))
    trade(peers, order.order_id, "30", "30")
    await eventually(lambda: client.order(order.order_id), lambda told: told.cumulative_quantity == "30")
    peers.risk.reserved.clear()
    peers.risk.cut()
    await eventually(lambda: order.order_id in peers.risk.reserved)
    held = peers.risk.reserved[order.order_id]
    assert (held.quantity, held.replace.quantity, held.replace.order_quantity) == ("70", "90", "120")


async def test_replaces_of_many_orders_at_once(client: Client, peers: Peers) -> None:
    """Each is checked, committed and sent once."""
    placed = await client.place_many(200)
    for order in placed:
        await client.until(order.order_id, ORDER_STATUS_NEW)
    await asyncio.gather(*(client.replace(order.order_id, quantity="120") for order in placed))
    for order in placed:
        assert (await client.until(order.order_id, ORDER_STATUS_NEW)).quantity == "120"
        assert len(replaces_at(peers, order.order_id)) == 1


@pytest.mark.parametrize("seen", [True, False])
async def test_the_process_is_killed_between_a_replace_and_its_answer(
    tmp_path: Path, postgres_url: str, redis_url: str, peers: Peers, seen: bool
) -> None:
    """Kill -9 while the replace is pending, at the venue or not yet: it is made once; late answers count."""
    process = OrderProcess(tmp_path, postgres_url, redis_url, peers)
    venue = peers.broker.venue
    venue.on_replace = ignore_replace if seen else do_replace
    try:
        async with client_of(await process.start()) as client:
            await ready(client, peers)
            order = await resting(client)
            if not seen:
                peers.broker.disconnect()
            await client.replace(order.order_id, quantity="120", limit_price="188")
            if seen:
                await eventually(lambda: replaces_at(peers, order.order_id))
            await process.kill()
        # What the venue does while nobody listens.
        trade(peers, order.order_id, "30", "30")
        if seen:
            answer(peers, do_replace)
        else:
            peers.broker.connected = True
        peers.risk.reserved.clear()
        async with client_of(await process.start()) as client:
            after = await client.until(order.order_id, ORDER_STATUS_PARTIALLY_FILLED)
            assert (after.quantity, after.limit_price, after.leaves_quantity) == ("120", "188", "90")
            again = await client.replace(order.order_id, quantity="120", limit_price="188")
            assert again.version == after.version
            types = [report.execution_type for report in await client.history(order.order_id)]
            assert types == [1, 2, EXECUTION_TYPE_PENDING_REPLACE, EXECUTION_TYPE_TRADE, EXECUTION_TYPE_REPLACED]
            assert len(replaces_at(peers, order.order_id)) == 1
            await eventually(lambda: order.order_id in peers.risk.reserved)
            await eventually(lambda: peers.risk.reserved[order.order_id].quantity == "90")
    finally:
        await process.kill()
