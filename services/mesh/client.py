"""Channels to other services: shared, with deadlines handed on and failures rebuilt into coded errors."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, Self

import grpc

from services.kernel.errors import deadline, unavailable
from services.mesh.certificate import Certificate
from services.mesh.context import TRACEPARENT, current_call, detached
from services.mesh.options import CLIENT_OPTIONS
from services.mesh.peer_errors import coded
from services.mesh.retries import service_config
from services.mesh.stream_call import StreamCall

SHAVE_SECONDS: Final = 0.005
SHAVE_SHARE: Final = 0.05
"""Both are taken from the time left at each hop, so that the answer of a hop still finds its caller waiting. The share
is there because gRPC rounds timeouts up on the wire, by as much as three hundredths."""

_SETTLE_SECONDS: Final = 30.0
_AS_LONG_AS_IT_TAKES: Final = 10.0 * 365 * 86_400
"""How long the calls of a connection go on that was replaced: a stream may last as long as its process."""

Metadata = Sequence[tuple[str, str | bytes]]


class Channels:
    """The channels of a process, one per address, made at first use."""

    def __init__(
        self,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
        *,
        timeout_seconds: float = 5.0,
        certificate: Certificate | None = None,
        names: Mapping[str, str] | None = None,
        plain: Collection[str] = (),
        credentials: Mapping[str, grpc.ChannelCredentials] | None = None,
    ) -> None:
        """Makes none yet.

        Args:
            interceptors: What stands around every call.
            timeout_seconds: The most that a unary call may take which says nothing of its own.
            certificate: Proves who calls, and who is called. None: connections are not encrypted.
            names: Names of the services at addresses, which their certificates must have. At other addresses the
                certificate must have the host's.
            plain: Addresses at which connections are not encrypted nevertheless.
            credentials: What connections to some addresses are encrypted with, in place of the certificate.
        """
        self._interceptors = interceptors
        self._certificate, self._names, self._plain = certificate, names or {}, plain
        self._credentials = credentials or {}
        self._timeout_seconds = timeout_seconds
        self._channels: dict[str, Channel] = {}

    def to(self, address: str, *services: str) -> Channel:
        """Returns the channel to an address.

        Args:
            address: `host:port`.
            services: Full names of the services called there. Those of their methods that say they are safe to repeat
                are retried when the peer does not answer.
        """
        if address not in self._channels:
            options = [*CLIENT_OPTIONS, ("grpc.service_config", service_config(services))]
            if address in self._names:
                options.append(("grpc.ssl_target_name_override", self._names[address]))

            def connect() -> grpc.aio.Channel:
                credentials = self._credentials.get(address)
                if credentials is None and self._certificate is not None and address not in self._plain:
                    credentials = self._certificate.channel_credentials()
                if credentials is None:
                    return grpc.aio.insecure_channel(address, options=options, interceptors=self._interceptors)
                return grpc.aio.secure_channel(address, credentials, options=options, interceptors=self._interceptors)

            self._channels[address] = Channel(connect, address, self._timeout_seconds)
        return self._channels[address]

    def renew(self) -> None:
        """Makes all connections anew, with the certificate as it is now; calls in progress keep theirs."""
        for channel in self._channels.values():
            channel.renew()

    async def close(self) -> None:
        """Closes all of them."""
        channels = list(self._channels.values())
        self._channels.clear()
        await asyncio.gather(*(channel.close() for channel in channels))


class Channel(grpc.aio.Channel):
    """A channel for generated stubs. What they return is awaited or iterated as usual; failures are CodedErrors.

    Streams are StreamCalls; who reads one by hand casts it to that.

    A unary call without a timeout gets what is left of the call being served, and at most the channel's timeout. A
    stream gets none, unless told.
    """

    def __init__(self, connect: Callable[[], grpc.aio.Channel], address: str, timeout_seconds: float) -> None:
        self.address = address
        self._connect = connect
        self._channel = connect()
        self._timeout_seconds = timeout_seconds
        self._methods: weakref.WeakSet[_Method] = weakref.WeakSet()
        self._replaced: dict[grpc.aio.Channel, asyncio.Task[None]] = {}

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        """Returns a call of one message with one answer."""
        return self._one_answer(self._method(lambda channel: channel.unary_unary(*arguments, **options)))

    def stream_unary(self, *arguments: Any, **options: Any) -> Any:
        """Returns a call of many messages with one answer."""
        return self._one_answer(self._method(lambda channel: channel.stream_unary(*arguments, **options)))

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        """Returns a call of one message with many answers."""
        return _many_answers(self._method(lambda channel: channel.unary_stream(*arguments, **options)))

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        """Returns a call of many messages with many answers."""
        return _many_answers(self._method(lambda channel: channel.stream_stream(*arguments, **options)))

    def renew(self) -> None:
        """Connects anew, for calls from now on; the old connection lasts as long as its calls."""
        old, self._channel = self._channel, self._connect()
        for method in self._methods:
            method.make_on(self._channel)
        self._replaced[old] = detached(self._end(old), name="replaced connection")

    async def _end(self, old: grpc.aio.Channel) -> None:
        # A call may stand between its begin and its first look at the channel.
        await asyncio.sleep(_SETTLE_SECONDS)
        await old.close(_AS_LONG_AS_IT_TAKES)
        del self._replaced[old]

    def _method(self, make: Callable[[grpc.aio.Channel], Any]) -> _Method:
        method = _Method(make, self._channel)
        self._methods.add(method)
        return method

    async def ready(self, timeout_seconds: float | None = None) -> None:
        """Waits until the peer can be reached.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when the time ran out first.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._channel.channel_ready()
        except TimeoutError:
            raise unavailable("SERVICE_UNAVAILABLE", f"{self.address} does not answer") from None

    async def close(self, grace: float | None = None) -> None:
        """Closes the channel and ends its calls, those that take no longer than the grace in seconds excepted."""
        replaced = dict(self._replaced)
        self._replaced.clear()
        for channel, ending in replaced.items():
            ending.cancel()
            await channel.close()
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Returns whether the peer is connected."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits until the state is another one."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Waits until the peer is connected."""
        await self._channel.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _one_answer(self, method: _Method) -> Callable[..., Awaitable[Any]]:
        most = self._timeout_seconds

        async def invoke(
            request: Any,
            *,
            timeout: float | None = None,  # noqa: ASYNC109 - the name that generated stubs have for it
            metadata: Metadata = (),
            **options: Any,
        ) -> Any:
            try:
                return await method.call(
                    request, timeout=_time(most if timeout is None else timeout), metadata=_trace(metadata), **options
                )
            except grpc.aio.AioRpcError as error:
                raise coded(error) from None

        return invoke


class _Method:
    """A method as the channel has it that is connected now."""

    __slots__ = ("__weakref__", "_make", "call")

    def __init__(self, make: Callable[[grpc.aio.Channel], Any], channel: grpc.aio.Channel) -> None:
        self._make = make
        self.call: Any = make(channel)

    def make_on(self, channel: grpc.aio.Channel) -> None:
        """Calls by this channel from now on."""
        self.call = self._make(channel)


def _many_answers(method: _Method) -> Callable[..., StreamCall]:
    def invoke(
        request: Any | AsyncIterable[Any] | None = None,
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
        **options: Any,
    ) -> StreamCall:
        return StreamCall(method.call(request, timeout=timeout, metadata=_trace(metadata), **options))

    return invoke


def _time(timeout_seconds: float) -> float:
    call = current_call()
    if call is None or (left := call.remaining_seconds()) is None:
        return timeout_seconds
    left -= SHAVE_SECONDS + SHAVE_SHARE * left
    if left <= 0:
        raise deadline("no time is left to ask a peer")
    return min(timeout_seconds, left)


def _trace(metadata: Metadata) -> Metadata:
    call = current_call()
    return metadata if call is None else (*metadata, (TRACEPARENT, call.traceparent))
