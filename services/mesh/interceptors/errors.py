"""The one place that knows status codes of gRPC: an error that leaves a handler becomes a `google.rpc.Status`."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator
from typing import Any, Final, NoReturn

import grpc
import structlog
from opentelemetry import trace

from services.kernel.errors import CodedError, ErrorKind
from services.kernel.identifiers import Identifiers, UuidV7
from services.mesh.context import current_call
from services.mesh.interceptors.base import Context, Method, StreamHandler, UnaryHandler
from services.mesh.names import Attribute, Key
from services.mesh.refusals import Refusals
from services.mesh.status import CODE_OF_KIND, DETAILS_KEY, to_status

_RETRY_AFTER: Final = "retry-after"
_ACCOUNT: Final = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What an account is called in the contract, which a request that was refused may break."""

_log = structlog.stdlib.get_logger(__name__)


class ErrorInterceptor:
    """Tells the caller about coded errors in full, and of any other error only the id under which it was logged."""

    def __init__(self, identifiers: Identifiers | None = None, refusals: Refusals | None = None) -> None:
        self._identifiers, self._refusals = identifiers or UuidV7(), refusals

    def wrap_unary(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Turns what the handler raises into a status."""

        async def handle(request: Any, context: Context) -> Any:
            try:
                return await handler(request, context)
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status
                await self._abort(method, request, context, error)

        return handle

    def wrap_stream(self, method: Method, handler: StreamHandler) -> StreamHandler:
        """Turns what the handler raises into a status."""

        async def handle(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                async for response in handler(request, context):
                    yield response
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status
                await self._abort(method, request, context, error)

        return handle

    async def _abort(self, method: Method, request: Any, context: Context, error: Exception) -> NoReturn:
        if isinstance(error, grpc.aio.AbortError):
            raise error
        coded = self._coded(method, error)
        if self._refusals is not None and not coded.by_peer and (call := current_call()) is not None:
            self._refusals.refused(call, coded, _account(request))
        trace.get_current_span().set_attribute(Attribute.REASON, coded.reason)
        status = to_status(coded)
        told: list[tuple[str, str | bytes]] = [(DETAILS_KEY, status.SerializeToString())]
        if coded.retry_after_seconds is not None:
            # What `RetryInfo` says in the details, for readers of HTTP: the header has whole seconds (RFC 9110).
            told.append((_RETRY_AFTER, str(math.ceil(coded.retry_after_seconds))))
        await context.abort(CODE_OF_KIND[coded.kind], coded.message, tuple(told))

    def _coded(self, method: Method, error: Exception) -> CodedError:
        match error:
            case CodedError():
                _log_refusal(method, error)
                return error
            case asyncio.TimeoutError():
                return CodedError(ErrorKind.DEADLINE, "DEADLINE_EXCEEDED", "the time for the call is up")
            case _:
                return self._unexpected(method, error)

    def _unexpected(self, method: Method, error: Exception) -> CodedError:
        error_id = self._identifiers.new_id()
        _log.error("call failed unexpectedly", exc_info=error, **{Key.METHOD: method.path, Key.ERROR_ID: error_id})
        message = f"a fault of the service; it is logged under {error_id}"
        return CodedError(ErrorKind.INTERNAL, "INTERNAL", message, metadata={Key.ERROR_ID: error_id})


def _account(request: Any) -> str:
    """Returns the account that a request names; empty when it names none."""
    named = getattr(request, "account_id", None)
    return named if isinstance(named, str) and _ACCOUNT.fullmatch(named) else ""


def _log_refusal(method: Method, error: CodedError) -> None:
    told = {Key.METHOD: method.path, Key.REASON: error.reason, Key.ERROR: str(error)}
    if error.kind is not ErrorKind.PERMISSION:
        _log.debug("call refused", **told)
        return
    # Who tries what they may not do is told whatever the level of detail.
    call = current_call()
    caller = None if call is None else call.caller
    address = "" if call is None else call.address
    _log.info("permission denied", **told, **{Key.CALLER: "" if caller is None else caller.name, Key.ADDRESS: address})
