"""Server-Sent Events by clients that know nothing of Ordermesh: curl, and the npm package `eventsource`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest

from deploy.embedded.mesh import Mesh
from tests.clients.caller import PATIENCE_SECONDS, built, order, program, run
from tests.fixtures.ways import bearer

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATH: Final = "/api/v1/stream/orders?account_id=demo&heartbeat_interval=1s"


@dataclass(frozen=True)
class Event:
    """An event as the standard reads it."""

    id: str
    item: Mapping[str, Any]

    @property
    def orders(self) -> set[str]:
        """The orders that it reports on."""
        return {report["order_id"] for report in self.item.get("update", {}).get("reports", ())}


async def events(lines: asyncio.StreamReader) -> AsyncIterator[Event]:
    """Reads events (WHATWG HTML, section 9.2.6): an id stays until there is another."""
    data: list[str] = []
    last = ""
    while line := (await lines.readline()).decode():
        name, _, value = line.rstrip("\n").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "id":
            last = value
        elif not name and data:
            yield Event(last, json.loads("\n".join(data)))
            data = []


@asynccontextmanager
async def curl(guarded: Mesh, token: str, *words: str) -> AsyncIterator[AsyncIterator[Event]]:
    """Opens the order stream with curl, and cuts it at the end of the block."""
    header = ("-H", f"authorization: Bearer {token}", "-H", "accept: text/event-stream")
    process = await asyncio.create_subprocess_exec(
        *(program("curl"), "-sN", *header, *words, guarded.gateway_url + PATH), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield events(process.stdout)
    finally:
        process.kill()
        await process.wait()


async def place(rest: httpx.AsyncClient, token: str, instrument: str) -> str:
    """Places an order that rests."""
    answer = await rest.post("/api/v1/orders", json=order(instrument), headers=bearer(token))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["order"]["order_id"])


async def until_reported(stream: AsyncIterator[Event], order_id: str) -> Event:
    """Reads until an order is reported on."""
    async for event in stream:
        if order_id in event.orders:
            return event
    raise AssertionError("the stream has ended")


async def test_curl_follows_orders_and_goes_on_after_a_cut(
    guarded: Mesh, rest: httpx.AsyncClient, trader: str, instrument: str
) -> None:
    """Each event has an id; who comes again with the last one hears what was missed, and no snapshot again."""
    async with curl(guarded, trader) as stream:
        assert "subscribed" in (await anext(stream)).item
        async for event in stream:
            if "snapshot_end" in event.item:
                break
        order_id = await place(rest, trader, instrument)
        last = await until_reported(stream, order_id)
        assert last.id == last.item["update"]["resume_token"]
    missed = [await place(rest, trader, instrument) for _ in range(3)]
    async with curl(guarded, trader, "-H", f"last-event-id: {last.id}") as stream:
        first = await anext(stream)
        assert first.item["subscribed"]["resumed"] is True
        while missed:
            event = await until_reported(stream, missed[0])
            assert event.id
            missed = [each for each in missed if each not in event.orders]  # one event may tell of all


async def test_curl_hears_heartbeats_with_ids(guarded: Mesh, trader: str) -> None:
    """Every second, as asked for; each can be resumed after."""
    async with curl(guarded, trader) as stream:
        heard = 0
        async for event in stream:
            if "heartbeat" in event.item:
                assert event.id == event.item["heartbeat"]["resume_token"]
                heard += 1
            if heard == 2:
                return


async def test_the_last_id_counts_more_than_the_token_in_the_query(
    guarded: Mesh, rest: httpx.AsyncClient, trader: str
) -> None:
    """A client repeats the address it began with; an id that is no token is refused like a token that is none."""
    address = f"{guarded.gateway_url}{PATH}&resume_token=older"
    answer = await rest.get(address, headers={**bearer(trader), "last-event-id": "no token & more=x"})
    assert answer.status_code == 400
    [field] = [each for each in answer.json()["details"] if "field_violations" in each]
    assert [each["field"] for each in field["field_violations"]] == ["resume_token"]


async def test_without_a_token_there_are_no_events(rest: httpx.AsyncClient) -> None:
    """It is refused with a status, before any event."""
    answer = await rest.get(PATH)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/json")


async def test_the_package_eventsource_hears_events(guarded: Mesh, trader: str) -> None:
    """It reads their ids, and the snapshot between its marks."""
    script = built("node/events.mjs")
    ended = await run(program("node"), script, guarded.gateway_url + PATH, trader, "4")
    assert ended.code == 0, ended.err
    told = [json.loads(line) for line in ended.out.splitlines()]
    assert "subscribed" in told[0]["data"]
    ids = [each["id"] for each in told if "snapshot_end" in each["data"] or "heartbeat" in each["data"]]
    assert ids
    assert all(ids)
