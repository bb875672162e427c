"""A stream to a peer: what is read and written fails with coded errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from services.kernel.errors import CodedError, unavailable
from services.mesh.peer_errors import coded, ended


class StreamCall:
    """A stream in progress: iterated, or read and written by hand."""

    __slots__ = ("_call",)

    def __init__(self, call: Any) -> None:
        self._call = call

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            async for message in self._call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise coded(error) from None
        except asyncio.CancelledError:
            self._raise_unless_ours()
        finally:
            self._call.cancel()

    async def read(self) -> Any:
        """Returns the next message, or None at the end."""
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise coded(error) from None
        except asyncio.CancelledError:
            self._raise_unless_ours()
            return None
        return None if message is grpc.aio.EOF else message

    async def write(self, message: Any) -> None:
        """Sends a message.

        Raises:
            CodedError: The stream has ended.
        """
        try:
            await self._call.write(message)
        except grpc.aio.AioRpcError as error:
            raise coded(error) from None
        except asyncio.InvalidStateError:
            raise await self._ended() from None

    async def done_writing(self) -> None:
        """Tells the peer that no more messages will come."""
        await self._call.done_writing()

    def cancel(self) -> None:
        """Ends the stream."""
        self._call.cancel()

    def _raise_unless_ours(self) -> None:
        """Lets a cancellation of the task pass; one that comes of `cancel` is merely the end of the stream."""
        task = asyncio.current_task()
        if not self._call.cancelled() or (task is not None and task.cancelling()):
            raise  # noqa: PLE0704 - called while the cancellation is handled

    async def _ended(self) -> CodedError:
        try:
            while await self._call.read() is not grpc.aio.EOF:
                pass
        except grpc.aio.AioRpcError as error:
            return coded(error)
        except asyncio.CancelledError:
            self._raise_unless_ours()
            return unavailable("SERVICE_UNAVAILABLE", "the stream was canceled here")
        return ended()
