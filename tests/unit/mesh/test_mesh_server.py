"""The server beside its calls: health, reflection, metrics, draining, its address."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ordermesh.event.v1 import event_log_service_pb2 as pb
from services.kernel.errors import CodedError
from services.mesh.names import Metric
from services.mesh.server import Server
from services.mesh.telemetry import Telemetry
from tests.fakes.mesh_servicers import METHOD, SERVICE, Log
from tests.fixtures.serving import Serving


async def test_health_is_told_for_each_service_and_overall(served: Serving) -> None:
    """SERVING once said, NOT_SERVING from the moment that the server drains."""
    stub: Any = health_pb2_grpc.HealthStub(served.channel)
    for service in ("", SERVICE):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    await served.server.set_serving(serving=False)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_reflection_lists_the_services(served: Serving) -> None:
    """A client without the contracts can find them."""
    async with grpc.aio.insecure_channel(served.address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(
            iter(
                [
                    reflection_pb2.ServerReflectionRequest(list_services=""),
                    reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
                ]
            )
        )
        listed, described = [answer async for answer in call]
    assert SERVICE in {service.name for service in listed.list_services_response.service}
    assert described.file_descriptor_response.file_descriptor_proto


async def test_reflection_finds_what_a_client_names(served: Serving) -> None:
    """A service, a method of it, a message; what does not exist is not found."""
    names = (SERVICE, f"{SERVICE}.ReadEvents", "ordermesh.event.v1.ReadEventsRequest", f"{SERVICE}.Nothing", "nothing")
    async with grpc.aio.insecure_channel(served.address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in names]
        told = [answer.WhichOneof("message_response") async for answer in stub.ServerReflectionInfo(iter(asked))]
    assert told == ["file_descriptor_response"] * 3 + ["error_response"] * 2


async def test_calls_are_counted_by_method_and_code(log: Log, stub: Any, served: Serving) -> None:
    """Answers and failures both count, under their code."""
    await stub.ReadEvents(pb.ReadEventsRequest())
    with pytest.raises(CodedError):
        await stub.ReadEvents(pb.ReadEventsRequest(limit=10_001))
    value = served.telemetry.registry.get_sample_value
    assert value(Metric.SERVER_CALLS, {"method": METHOD, "code": "OK"}) == 1
    assert value(Metric.SERVER_CALLS, {"method": METHOD, "code": "INVALID_ARGUMENT"}) == 1
    assert value(f"{Metric.SERVER_CALL_SECONDS}_count", {"method": METHOD}) == 2


async def test_draining_lets_calls_finish(log: Log, stub: Any, served: Serving) -> None:
    """A call in flight when the server is told to stop is answered."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(request: pb.ReadEventsRequest) -> pb.ReadEventsResponse:
        entered.set()
        await leave.wait()
        return await log.plain(request)

    log.answer = slow
    calling = asyncio.create_task(stub.ReadEvents(pb.ReadEventsRequest(after_sequence=1)))
    await entered.wait()
    stopping = asyncio.create_task(served.server.stop(10))
    await served.server.draining.wait()
    leave.set()
    assert (await calling).last_sequence == 2
    await stopping


async def test_an_address_in_use_is_refused_clearly(served: Serving) -> None:
    """Two servers never share a port by accident."""
    second = Server(Telemetry("second"))
    with pytest.raises(OSError, match=f"cannot listen on {served.address}"):
        await second.start(served.address)
    await second.stop(0)
