"""Connections over a real Postgres: their credentials, and when one can be deleted."""

from __future__ import annotations

import asyncpg
import pytest

from ordermesh.broker.v1 import broker_connection_pb2, broker_service_pb2, routing_service_pb2
from ordermesh.type.v1 import trading_pb2
from services.kernel.errors import CodedError
from tests.fakes.broker_world import RouteClient, cancel, new_order
from tests.fixtures.broker import World, stub_of


async def test_credentials_are_sealed_at_rest_and_never_told(world: World) -> None:
    """A credential is in no answer and in no row as it is; the key file is its owner's alone."""
    secret = "an-open-secret-of-nobody"
    async with world.running() as running:
        stub = stub_of(running)
        made = await stub.CreateConnection(
            broker_service_pb2.CreateConnectionRequest(
                connection_id="second",
                adapter="simulation",
                environment=trading_pb2.ENVIRONMENT_SIMULATION,
                credentials={"api_key": "k", "api_secret": secret},
                default_account_ids=["b", "a"],
            )
        )
        listed = await stub.ListConnections(broker_service_pb2.ListConnectionsRequest())
    assert list(made.connection.credential_names) == ["api_key", "api_secret"]
    assert list(made.connection.default_account_ids) == ["a", "b"]
    assert secret not in str(made)
    assert [each.connection_id for each in listed.connections] == ["second", "simulation"]
    connection = await asyncpg.connect(world.postgres_url)
    try:
        rows = await connection.fetch("select name, sealed from broker.credential order by name")
        records = await connection.fetch("select record from broker.audit_log")
    finally:
        await connection.close()
    assert [name for name, _ in rows] == ["api_key", "api_secret"]
    assert all(secret.encode() not in sealed for _, sealed in rows)
    assert any(b"api_secret" in record for (record,) in records)
    assert all(secret.encode() not in record for (record,) in records)
    path = world.settings.credentials_key_file
    assert path.stat().st_mode & 0o777 == 0o600
    async with world.running() as running:
        told = await stub_of(running).GetConnection(broker_service_pb2.GetConnectionRequest(connection_id="second"))
    assert told.connection.state == broker_connection_pb2.CONNECTION_STATE_UP
    assert list(told.connection.credential_names) == ["api_key", "api_secret"]


async def test_connection_with_open_orders_cannot_be_deleted(world: World) -> None:
    """While an order is open at the venue its connection can be neither switched off nor deleted; afterwards it can."""
    async with world.running() as running, RouteClient(running.channel) as route:
        stub = stub_of(running)
        request = broker_service_pb2.CreateConnectionRequest(
            connection_id="second", adapter="simulation", environment=trading_pb2.ENVIRONMENT_SIMULATION
        )
        await stub.CreateConnection(request)
        await route.up(connection_id="second")
        await route.send(new_order(1, "second"))
        await route.reported(1)
        delete = broker_service_pb2.DeleteConnectionRequest(connection_id="second")
        switch_off = broker_service_pb2.UpdateConnectionRequest(connection_id="second", disabled=True)
        for call, used in ((stub.DeleteConnection, delete), (stub.UpdateConnection, switch_off)):
            with pytest.raises(CodedError) as failure:
                await call(used)
            assert failure.value.reason == "CONNECTION_IN_USE"
        await route.send(cancel(2, 1, "second"))
        await route.reported(2)
        changed = await stub.UpdateConnection(switch_off)
        assert changed.connection.state == broker_connection_pb2.CONNECTION_STATE_DISABLED
        await route.send(new_order(3, "second"))
        refused = (await route.reported(3))[2]
        assert (refused.type, refused.sequence) == (routing_service_pb2.VENUE_REPORT_TYPE_REJECTED, 0)
        await stub.DeleteConnection(delete)
        with pytest.raises(CodedError) as failure:
            await stub.GetConnection(broker_service_pb2.GetConnectionRequest(connection_id="second"))
    assert failure.value.reason == "UNKNOWN_CONNECTION"
