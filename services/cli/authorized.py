"""A channel whose calls say whom they act for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from services.cli.login import Login
from services.mesh.client import Channel, Metadata
from services.mesh.stream_call import StreamCall


class AuthorizedChannel(Channel):
    """Another channel, with the access token of who is logged in along with each call, when somebody is."""

    def __init__(self, channel: Channel, login: Login) -> None:
        super().__init__(lambda: channel, channel.address, 0.0)  # the time of a call is the other channel's matter
        self._inner, self._login = channel, login

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        """Returns a call of one message with one answer."""
        return self._with_token(self._inner.unary_unary(*arguments, **options))

    def stream_unary(self, *arguments: Any, **options: Any) -> Any:
        """Returns a call of many messages with one answer."""
        return self._with_token(self._inner.stream_unary(*arguments, **options))

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        """Returns a call of one message with many answers."""
        return self._stream_with_token(self._inner.unary_stream(*arguments, **options))

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        """Returns a call of many messages with many answers."""
        return self._stream_with_token(self._inner.stream_stream(*arguments, **options))

    def _with_token(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def invoke(request: Any, *, metadata: Metadata = (), **options: Any) -> Any:
            return await call(request, metadata=(*metadata, *await self._login.metadata()), **options)

        return invoke

    def _stream_with_token(self, call: Callable[..., StreamCall]) -> Callable[..., StreamCall]:
        def invoke(request: Any = None, *, metadata: Metadata = (), **options: Any) -> StreamCall:
            return call(request, metadata=(*metadata, *self._login.metadata_now()), **options)

        return invoke
