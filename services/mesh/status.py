"""The coded error and `google.rpc.Status`, each made out of the other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2, symbol_database
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from services.kernel.errors import CodedError, ErrorKind, FieldViolation
from services.mesh.names import DOMAIN

DETAILS_KEY: Final = "grpc-status-details-bin"
"""Trailing metadata that carries the status."""

CODE_OF_KIND: Final[dict[ErrorKind, grpc.StatusCode]] = {
    ErrorKind.CANCELLED: grpc.StatusCode.CANCELLED,
    ErrorKind.UNKNOWN: grpc.StatusCode.UNKNOWN,
    ErrorKind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorKind.DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
    ErrorKind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorKind.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    ErrorKind.PERMISSION: grpc.StatusCode.PERMISSION_DENIED,
    ErrorKind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorKind.PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorKind.ABORTED: grpc.StatusCode.ABORTED,
    ErrorKind.OUT_OF_RANGE: grpc.StatusCode.OUT_OF_RANGE,
    ErrorKind.UNIMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    ErrorKind.INTERNAL: grpc.StatusCode.INTERNAL,
    ErrorKind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorKind.DATA_LOSS: grpc.StatusCode.DATA_LOSS,
    ErrorKind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
}

_KIND_OF_CODE: Final = {code: kind for kind, code in CODE_OF_KIND.items()}
_CODE_OF_NUMBER: Final = {code.value[0]: code for code in grpc.StatusCode}
_REASON_WITHOUT_DETAILS: Final = {
    ErrorKind.UNAVAILABLE: "SERVICE_UNAVAILABLE",
    ErrorKind.DEADLINE: "DEADLINE_EXCEEDED",
    ErrorKind.EXHAUSTED: "OVERLOADED",
    ErrorKind.UNIMPLEMENTED: "UNKNOWN_ROUTE",
    ErrorKind.CANCELLED: "SERVICE_UNAVAILABLE",
}

_ADDRESS: Final = re.compile(r"\b(?:ipv[46]|unix|dns):")


def to_status(error: CodedError) -> status_pb2.Status:
    """Returns the status that tells a caller everything that the error holds."""
    number: int = CODE_OF_KIND[error.kind].value[0]
    status = status_pb2.Status(code=number, message=error.message)
    for detail in _details_of(error):
        status.details.add().Pack(detail)
    return status


def from_status(status: status_pb2.Status) -> CodedError:
    """Returns the error that `to_status` was given; details of unknown type stay packed."""
    code = _CODE_OF_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    return _rebuild(_KIND_OF_CODE.get(code, ErrorKind.UNKNOWN), status.message, status.details)


def from_rpc_error(error: grpc.aio.AioRpcError) -> CodedError:
    """Returns the error of a call that failed, by its details when it has them, else by its code alone."""
    if (packed := _packed_status(error)) is not None:
        return from_status(packed)
    kind = _KIND_OF_CODE.get(error.code(), ErrorKind.UNKNOWN)
    return CodedError(kind, _REASON_WITHOUT_DETAILS.get(kind, "INTERNAL"), error.details() or kind.value)


def names_address(message: str) -> bool:
    """Tells whether the words of a failure are the transport's and name an address."""
    return _ADDRESS.search(message) is not None


def _packed_status(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _details_of(error: CodedError) -> Iterable[Message]:
    yield error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    if error.violations:
        yield error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description)
                for v in error.violations
            ]
        )
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(round(error.retry_after_seconds * 1e9))
        yield error_details_pb2.RetryInfo(retry_delay=delay)
    for detail in error.details:
        if not isinstance(detail, Message):
            raise TypeError(f"a detail must be a protobuf message, not {type(detail).__name__}")
        yield detail


def _rebuild(kind: ErrorKind, message: str, packed: Iterable[any_pb2.Any]) -> CodedError:
    reason, metadata, retry, violations, rest = _REASON_WITHOUT_DETAILS.get(kind, "INTERNAL"), {}, None, [], []
    for detail in map(_unpack, packed):
        match detail:
            case error_details_pb2.ErrorInfo():
                reason, metadata = detail.reason, dict(detail.metadata)
            case error_details_pb2.BadRequest():
                violations += [FieldViolation(v.field, v.description) for v in detail.field_violations]
            case error_details_pb2.RetryInfo():
                retry = detail.retry_delay.ToNanoseconds() / 1e9
            case _:
                rest.append(detail)
    return CodedError(
        kind,
        reason,
        message,
        violations=tuple(violations),
        metadata=metadata,
        retry_after_seconds=retry,
        details=tuple(rest),
    )


def _unpack(packed: any_pb2.Any) -> Message:
    try:
        detail: Message = symbol_database.Default().GetSymbol(packed.TypeName())()
        packed.Unpack(detail)
    except (KeyError, DecodeError):
        return packed
    return detail
