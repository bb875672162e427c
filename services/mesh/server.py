"""The gRPC server of a service: handlers inside their interceptors, health, reflection, drain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import Descriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.kernel.identifiers import Identifiers
from services.mesh.access.rules import rule_of
from services.mesh.addresses import Network
from services.mesh.certificate import Certificate
from services.mesh.descriptors import service_descriptor
from services.mesh.draining import Draining
from services.mesh.interceptors.base import Interceptor, Method, wrap_stream, wrap_unary
from services.mesh.interceptors.calls import CallInterceptor
from services.mesh.interceptors.constraints import ConstraintInterceptor
from services.mesh.interceptors.errors import ErrorInterceptor
from services.mesh.interceptors.metrics import MetricsInterceptor
from services.mesh.options import SERVER_OPTIONS
from services.mesh.reading import reads_each, reads_one
from services.mesh.reflection import Symbols
from services.mesh.refusals import Refusals
from services.mesh.telemetry import Telemetry

S = TypeVar("S")

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def standard_interceptors(
    telemetry: Telemetry,
    identifiers: Identifiers | None = None,
    access: Interceptor | None = None,
    proxies: Sequence[Network] = (),
    refusals: Refusals | None = None,
) -> tuple[Interceptor, ...]:
    """Returns what stands around every call, the outermost first.

    Args:
        telemetry: Metrics and traces.
        identifiers: Makes the ids of errors.
        access: Looks at who calls, where that is asked.
        proxies: Gateways, which say whose calls they hand on.
        refusals: Counts calls that are refused, where they are recorded.
    """
    return (
        MetricsInterceptor(telemetry.registry),
        ErrorInterceptor(identifiers, refusals),
        CallInterceptor(proxies),
        *(() if access is None else (access,)),
        ConstraintInterceptor(),
    )


class Server:
    """A server being built, then running.

    Health answers NOT_SERVING, for each service and overall, until `set_serving`.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        draining: Draining | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        max_concurrent_calls: int | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        """Makes a server that does not listen yet; without a certificate it speaks plain text."""
        self._certificate = certificate
        self.draining = draining or Draining()
        self._interceptors = standard_interceptors(telemetry) if interceptors is None else interceptors
        self._server = grpc.aio.server(
            interceptors=telemetry.server_interceptors(),
            options=list(SERVER_OPTIONS),
            maximum_concurrent_rpcs=max_concurrent_calls,
        )
        self._health = health.aio.HealthServicer()
        self._services: list[str] = []
        self._described: tuple[str, ...] = ()
        self.port = 0

    def add(self, register: Callable[[S, Any], None], servicer: S, *inside: Interceptor) -> None:
        """Serves a servicer, by the generated function `add_…Servicer_to_server`.

        Its streaming methods must be async generators. They may yield bytes in place of a response: it serialised.
        Who may call its methods must stand in the contract, whether or not that is looked at here.

        Args:
            register: The generated function.
            servicer: What to serve.
            inside: What stands around its methods within the interceptors of the server.

        Raises:
            NoAccessRuleError: The contract does not say who may call one of its methods.
        """
        register(servicer, _Registrar(self, inside))

    def describe(self, services: Sequence[str]) -> None:
        """Lets reflection tell of services that others serve, too; their generated modules are imported."""
        self._described = tuple(services)

    async def start(self, address: str, port_file: Path | None = None) -> int:
        """Listens, and returns the port that was chosen; health is not yet SERVING.

        Raises:
            OSError: The address cannot be listened on.
        """
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._services.append(health.SERVICE_NAME)
        told = dict.fromkeys([*self._services, *self._described, reflection.SERVICE_NAME])
        reflection.enable_server_reflection(list(told), self._server, Symbols())
        await self.set_serving(serving=False)
        try:
            self.port = self._listen(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: {error}") from error
        await self._server.start()
        if port_file is not None:
            write_whole(port_file, f"{self.port}\n")
        return self.port

    def _listen(self, address: str) -> int:
        if self._certificate is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, self._certificate.server_credentials())

    async def set_serving(self, *, serving: bool) -> None:
        """Answers health checks with SERVING or NOT_SERVING from now on."""
        for service in ("", *self._services):
            await self._health.set(service, _SERVING if serving else _NOT_SERVING)

    async def stop(self, grace_seconds: float) -> None:
        """Turns health to NOT_SERVING, tells streams to end, lets calls finish for the grace, and stops."""
        await self._health.enter_graceful_shutdown()
        self.draining.begin()
        await self._server.stop(grace_seconds)

    def _serve(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]], inside: Sequence[Interceptor]
    ) -> None:
        interceptors = (*self._interceptors, *inside)
        wrapped = {name: _wrap(service, name, handler, interceptors) for name, handler in handlers.items()}
        self._services.append(service)
        self._server.add_registered_method_handlers(service, wrapped)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, wrapped),))


class _Registrar:
    """Stands in for the server in generated code, and hands the handlers on."""

    def __init__(self, server: Server, inside: Sequence[Interceptor]) -> None:
        self._server, self._inside = server, inside

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        self._server._serve(service, handlers, self._inside)  # noqa: SLF001 - the registrar is the server's own

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """The same handlers again, in a form that cannot be looked into."""


_MAKERS: dict[tuple[bool, bool], Callable[..., Any]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


def _wrap(
    service: str, name: str, handler: Any, interceptors: Sequence[Interceptor]
) -> grpc.RpcMethodHandler[Any, Any]:
    rule_of(service, name)
    method = Method(service, name, handler.request_streaming, handler.response_streaming, _request_type(service, name))
    make = _MAKERS[method.request_streaming, method.response_streaming]
    behaviour = getattr(handler, make.__name__.removesuffix("_rpc_method_handler"))
    wrap = wrap_stream if method.response_streaming else wrap_unary
    wrapped = wrap(method, behaviour, interceptors)
    serializer = handler.response_serializer
    if method.response_streaming:
        serializer = _unless_bytes(serializer)
    reads = reads_each if method.request_streaming else reads_one
    made: grpc.RpcMethodHandler[Any, Any] = make(wrapped, reads(handler.request_deserializer), serializer)
    return made


def _unless_bytes(serialize: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def serialized(message: Any) -> bytes:
        return message if type(message) is bytes else serialize(message)

    return serialized


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that a reader sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _request_type(service: str, name: str) -> Descriptor | None:
    try:
        return service_descriptor(service).methods_by_name[name].input_type
    except LookupError:
        return None
