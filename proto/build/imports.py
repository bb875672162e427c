"""The contracts' imports, taken from the installed Python packages, so that generation needs no network.

`buf/validate/validate.proto` is shipped by protovalidate as a descriptor alone; the google protos are shipped both
ways. All of them are handed to protoc as one descriptor set.
"""

from __future__ import annotations

from google.api import annotations_pb2, field_behavior_pb2, http_pb2, httpbody_pb2
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import FileDescriptor
from google.rpc import code_pb2, error_details_pb2, status_pb2
from protovalidate._gen.buf.validate import validate_pb

VALIDATE_FILE = "buf/validate/validate.proto"

_ROOTS: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR
    for module in (
        any_pb2,
        descriptor_pb2,
        duration_pb2,
        empty_pb2,
        field_mask_pb2,
        struct_pb2,
        timestamp_pb2,
        wrappers_pb2,
        annotations_pb2,
        field_behavior_pb2,
        http_pb2,
        httpbody_pb2,
        code_pb2,
        error_details_pb2,
        status_pb2,
    )
)


def installed_imports() -> descriptor_pb2.FileDescriptorSet:
    """Every file a contract may import, each after what it imports itself."""
    result = descriptor_pb2.FileDescriptorSet()
    seen: set[str] = set()
    for root in _ROOTS:
        _add(root, result, seen)
    result.file.append(_validate_file())
    return result


def _add(file: FileDescriptor, result: descriptor_pb2.FileDescriptorSet, seen: set[str]) -> None:
    if file.name in seen:
        return
    seen.add(file.name)
    for dependency in file.dependencies:
        _add(dependency, result, seen)
    file.CopyToProto(result.file.add())


def _validate_file() -> descriptor_pb2.FileDescriptorProto:
    # protovalidate is built on another protobuf runtime than our generated code: the bytes are what both understand.
    return descriptor_pb2.FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
