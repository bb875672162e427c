"""How a call to a peer failed, as the coded error that the peer meant, or that stands for its silence."""

from __future__ import annotations

from typing import Final

import grpc
import structlog

from services.kernel.errors import CodedError, unavailable
from services.mesh.context import current_call
from services.mesh.names import Key
from services.mesh.status import from_rpc_error, names_address

_log = structlog.stdlib.get_logger(__name__)

_UNSENT: Final = "Internal error from Core"
"""What gRPC says of a message that the peer's end of the stream has overtaken; the peer's own status is lost then."""


def ended() -> CodedError:
    """Returns the error of a stream that the peer has ended without saying why."""
    return unavailable("SERVICE_UNAVAILABLE", "the peer has ended the stream")


def coded(error: grpc.aio.AioRpcError) -> CodedError:
    """Returns the error of a call that failed.

    While a call is being served, the error may be told to its caller: where the transport's words name an address of
    the mesh, they go to the log, and plain ones to the caller.
    """
    if error.code() is grpc.StatusCode.INTERNAL and error.details() == _UNSENT:
        return ended()
    in_full = from_rpc_error(error)
    in_full.by_peer = True
    if current_call() is None or not names_address(in_full.message):
        return in_full
    _log.warning("a peer cannot be reached", **{Key.REASON: in_full.reason, Key.ERROR: in_full.message})
    return CodedError(in_full.kind, in_full.reason, "a service that this needs cannot be reached now")
