"""Records of reconciliation over a real Postgres: what venues do is found, told, and survives; nobody waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.broker.v1 import routing_service_pb2 as routing
from ordermesh.order.v1 import reconciliation_pb2 as api
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_CANCELED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
    ORDER_STATUS_PENDING_NEW,
)
from ordermesh.type.v1 import error_pb2
from services.kernel.errors import CodedError
from tests.fakes.order_peers import Peers
from tests.fakes.order_venue import rest
from tests.fakes.order_world import Client, ready, serving
from tests.fixtures.waiting import eventually

Record = api.Reconciliation
AGREED = api.RECONCILIATION_KIND_AGREED
UNKNOWN = api.RECONCILIATION_KIND_UNKNOWN_AT_VENUE


async def listed(client: Client, **wanted: Any) -> api.ListReconciliationsResponse:
    """Lists records."""
    response: api.ListReconciliationsResponse = await client.orders.ListReconciliations(
        api.ListReconciliationsRequest(**wanted)
    )
    return response


async def until(client: Client, holds: Callable[[Sequence[Record]], bool], **wanted: Any) -> list[Record]:
    """Waits until the list is as wanted, and returns it."""

    async def records() -> list[Record]:
        return list((await listed(client, **wanted)).reconciliations)

    return await eventually(records, holds)


async def agreed(client: Client, count: int) -> list[Record]:
    """Waits until so many openings have found that the venue agrees."""
    return await until(client, lambda records: len(records) == count, kinds=[AGREED])


async def test_every_opening_leaves_a_record(client: Client, peers: Peers) -> None:
    """A venue that agrees, at the first opening and at the next; with time and sequence, newest first."""
    (first,) = await until(client, lambda records: len(records) == 1, kinds=[AGREED])
    assert (first.kind, first.connection_id, first.count) == (AGREED, "simulation", 0)
    order = await client.place()
    await client.until(order.order_id, ORDER_STATUS_FILLED)
    peers.broker.disconnect()
    peers.broker.connect()
    second, again = await until(client, lambda records: len(records) == 2, kinds=[AGREED])
    assert again == first
    assert second.sequence > first.sequence
    assert second.time.ToNanoseconds() >= first.time.ToNanoseconds()
    assert second.reconciliation_id > first.reconciliation_id
    assert second.decided


async def test_an_order_that_its_venue_has_passed_over_is_ended(client: Client, peers: Peers) -> None:
    """Its command was lost on the way and later ones were taken: the next opening cancels it, and says so."""
    venue = peers.broker.venue
    venue.react = rest
    taken = await client.place()
    await client.until(taken.order_id, ORDER_STATUS_NEW)
    lost_from = venue.last_command
    apply = venue.apply
    venue.apply = lambda command: []  # type: ignore[method-assign]  # what is lost on the way
    lost = await client.place()
    venue.last_command = lost.sequence
    venue.apply = apply  # type: ignore[method-assign]  # from here on nothing is lost
    later = await client.place()
    await client.until(later.order_id, ORDER_STATUS_NEW)
    assert lost_from < lost.sequence < venue.last_command
    assert (await client.order(lost.order_id)).order_status == ORDER_STATUS_PENDING_NEW
    peers.broker.disconnect()
    peers.broker.connect()
    ended = await client.until(lost.order_id, ORDER_STATUS_CANCELED)
    assert ended.reason == error_pb2.ERROR_REASON_VENUE_UNAVAILABLE
    kinds = [api.RECONCILIATION_KIND_PASSED_OVER_BY_VENUE]
    (record,) = await until(client, lambda records: len(records) == 1, kinds=kinds)
    assert list(record.order_ids) == [lost.order_id]
    for order in (taken, later):
        assert (await client.order(order.order_id)).order_status == ORDER_STATUS_NEW


async def test_what_differs_is_told_by_order(client: Client, peers: Peers) -> None:
    """A stranger at the venue, an order missing there: by their ids, and nothing is changed by it."""
    peers.broker.venue.react = rest
    order = await client.place()
    await client.until(order.order_id, ORDER_STATUS_NEW)
    peers.broker.disconnect()
    peers.broker.venue.strangers.append(routing.VenueOrder(venue_order_id="stranger", quantity="1"))
    del peers.broker.venue.open[order.order_id]
    peers.broker.connect()
    (unknown,) = await until(client, lambda records: len(records) == 1, kinds=[UNKNOWN])
    assert (list(unknown.venue_order_ids), list(unknown.order_ids), unknown.count) == (["stranger"], [], 1)
    wanted = [api.RECONCILIATION_KIND_MISSING_AT_VENUE]
    (missing,) = await until(client, lambda records: len(records) == 1, kinds=wanted)
    assert list(missing.order_ids) == [order.order_id]
    assert (await client.order(order.order_id)).order_status == ORDER_STATUS_NEW


async def test_a_venue_that_lost_its_history(client: Client, peers: Peers) -> None:
    """The orders canceled for it and the commands sent again are named."""
    peers.broker.venue.react = rest
    taken = await client.place()
    await client.until(taken.order_id, ORDER_STATUS_NEW)
    peers.broker.disconnect()
    unseen = await client.place()
    peers.broker.venue.lose_history()
    peers.broker.connect()
    kinds = [api.RECONCILIATION_KIND_LOST_BY_VENUE, api.RECONCILIATION_KIND_COMMANDS_RESENT]
    resent, lost = await until(client, lambda records: len(records) == 2, kinds=kinds)
    assert (lost.kind, list(lost.order_ids)) == (api.RECONCILIATION_KIND_LOST_BY_VENUE, [taken.order_id])
    assert list(resent.order_ids) == [unseen.order_id]


async def test_strays_are_told(client: Client, peers: Peers) -> None:
    """A fill of an order that has ended and a report of one that is not ours, with the report's sequence."""
    order = await client.place()
    await client.until(order.order_id, ORDER_STATUS_FILLED)
    venue = peers.broker.venue
    late = routing.VenueReport(
        type=routing.VENUE_REPORT_TYPE_TRADE, last_price="187", last_quantity="3", cumulative_quantity="103"
    )
    nobody = "00000000-0000-7000-8000-000000000000"
    fill = venue.report(order.order_id, late)
    strange = venue.report(nobody, routing.VenueReport(type=routing.VENUE_REPORT_TYPE_CANCELED))
    peers.broker.tell([fill, strange])
    kinds = [api.RECONCILIATION_KIND_FILL_AFTER_END, api.RECONCILIATION_KIND_REPORT_OF_UNKNOWN_ORDER]
    second, first = await until(client, lambda records: len(records) == 2, kinds=kinds)
    assert (list(first.order_ids), first.report_sequence) == ([order.order_id], fill.sequence)
    assert "a fill of 3 at 187" in first.found
    assert (list(second.order_ids), second.report_sequence) == ([nobody], strange.sequence)
    assert (await client.order(order.order_id)).cumulative_quantity == "100"


async def test_filters_and_pages(client: Client, peers: Peers) -> None:
    """Connection, kinds and time choose; pages join without a gap or an overlap; a token belongs to its filters."""
    await agreed(client, 1)
    for count in range(2, 8):
        peers.broker.disconnect()
        peers.broker.connect()
        await agreed(client, count)
    everything = list((await listed(client)).reconciliations)
    found: list[Record] = []
    token = ""
    while True:
        page = await listed(client, page_size=2, page_token=token)
        found += page.reconciliations
        token = page.next_page_token
        if not token:
            break
        with pytest.raises(CodedError, match="INVALID_PAGE_TOKEN"):
            await listed(client, page_size=2, page_token=token, kinds=[AGREED])
    assert found == everything
    assert not (await listed(client, connection_id="other")).reconciliations
    assert not (await listed(client, kinds=[UNKNOWN])).reconciliations
    middle = everything[3]
    since = await listed(client, **{"from": middle.time})
    before = await listed(client, to=middle.time)
    assert list(since.reconciliations) + list(before.reconciliations) == everything
    assert middle in since.reconciliations


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"connection_id": "No Such"}, "connection_id"),
        ({"kinds": [0]}, "kinds[0]"),
        ({"kinds": [99]}, "kinds[0]"),
        ({"page_size": 1001}, "page_size"),
        ({"page_token": "x"}, "page_token"),
    ],
)
async def test_bad_input_is_refused_by_field(client: Client, wanted: dict[str, Any], field: str) -> None:
    """INVALID_ARGUMENT with the field."""
    with pytest.raises(CodedError) as caught:
        await listed(client, **wanted)
    assert [violation.field for violation in caught.value.violations] == [field]


async def test_a_span_that_ends_before_it_begins(client: Client) -> None:
    """Is refused."""
    with pytest.raises(CodedError, match="INVALID_FIELD"):
        await listed(client, **{"from": Timestamp(seconds=20), "to": Timestamp(seconds=10)})


async def test_orders_do_not_wait_for_records(client: Client, peers: Peers, postgres_url: str) -> None:
    """While nothing can be written to the table orders go their way; what waits is counted, and stored afterwards."""
    await agreed(client, 1)
    connection = await asyncpg.connect(postgres_url)
    try:
        async with connection.transaction():
            await connection.execute("lock table orders.reconciliations in share mode")
            peers.broker.disconnect()
            peers.broker.connect()
            await eventually(lambda: listed(client), lambda told: told.waiting > 0)
            order = await client.place()
            await client.until(order.order_id, ORDER_STATUS_FILLED)
            assert len((await listed(client, kinds=[AGREED])).reconciliations) == 1
    finally:
        await connection.close()
    await agreed(client, 2)
    assert (await listed(client)).waiting == 0


async def test_records_outlive_the_store_and_the_service(own_postgres: Any, redis_url: str, peers: Peers) -> None:
    """What is found while Postgres is away is stored once it is back, and is there after a restart."""
    async with serving(own_postgres.url, redis_url, peers) as client:
        await ready(client, peers)
        await agreed(client, 1)
        await own_postgres.stop()
        peers.broker.disconnect()
        peers.broker.connect()
        await eventually(lambda: peers.broker.ready)
        await own_postgres.start()

        async def found() -> list[Record] | CodedError:
            try:
                return list((await listed(client, kinds=[AGREED])).reconciliations)
            except CodedError as error:
                return error

        await eventually(found, lambda told: isinstance(told, list) and len(told) == 2)
    async with serving(own_postgres.url, redis_url, peers) as client:
        await agreed(client, 3)


async def test_only_the_newest_are_kept(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """As many as configured; the oldest go."""
    async with serving(postgres_url, redis_url, peers, kept_reconciliations=3) as client:
        await ready(client, peers)
        newest = ""
        for _ in range(6):
            before = newest
            peers.broker.disconnect()
            peers.broker.connect()
            found = await until(
                client,
                lambda records, before=before: bool(records) and records[0].reconciliation_id > before,  # type: ignore[misc]  # bound at once
            )
            newest = found[0].reconciliation_id
        kept = await until(client, lambda records: len(records) == 3)
        assert kept[0].reconciliation_id >= newest
