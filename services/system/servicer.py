"""SystemService: protobuf in, one call, protobuf out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.api import httpbody_pb2
from google.protobuf import duration_pb2

from ordermesh.system.v1 import component_pb2, system_service_pb2, system_service_pb2_grpc
from services.kernel.errors import CodedError, ErrorKind
from services.system.domain.exposition import CONTENT_TYPE
from services.system.domain.health import Component, State, complaint, needed_by_orders
from services.system.pipeline import Mesh

_STATES = {
    State.SERVING: component_pb2.COMPONENT_STATE_SERVING,
    State.NOT_SERVING: component_pb2.COMPONENT_STATE_NOT_SERVING,
    State.UNREACHABLE: component_pb2.COMPONENT_STATE_UNREACHABLE,
}


class SystemServicer(system_service_pb2_grpc.SystemServiceServicer):
    """Answers for the mesh as a whole."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    async def GetHealth(
        self, request: system_service_pb2.GetHealthRequest, context: Any
    ) -> system_service_pb2.GetHealthResponse:
        """Tells the state of every component."""
        return system_service_pb2.GetHealthResponse(components=_all_serving(await self._mesh.components()))

    async def GetReadiness(
        self, request: system_service_pb2.GetReadinessRequest, context: Any
    ) -> system_service_pb2.GetReadinessResponse:
        """Tells whether orders can be placed."""
        found = await self._mesh.components(needed_by_orders)
        return system_service_pb2.GetReadinessResponse(components=_all_serving(found))

    async def GetMetrics(
        self, request: system_service_pb2.GetMetricsRequest, context: Any
    ) -> system_service_pb2.GetMetricsResponse:
        """Tells the metrics of all services."""
        text = await self._mesh.metrics()
        return system_service_pb2.GetMetricsResponse(
            body=httpbody_pb2.HttpBody(content_type=CONTENT_TYPE, data=text.encode())
        )


def _all_serving(components: Iterable[Component]) -> list[component_pb2.Component]:
    """Returns the components, or fails with all of them as a detail when one is down."""
    found = tuple(components)
    told = [_to_message(component) for component in found]
    if down := complaint(found):
        report = component_pb2.ComponentReport(components=told)
        raise CodedError(ErrorKind.UNAVAILABLE, "COMPONENT_DOWN", down, details=(report,))
    return told


def _to_message(component: Component) -> component_pb2.Component:
    message = component_pb2.Component(name=component.name, state=_STATES[component.state], text=component.text)
    if component.latency_seconds is not None:
        latency = duration_pb2.Duration()
        latency.FromNanoseconds(round(component.latency_seconds * 1e9))
        message.latency.CopyFrom(latency)
    return message
