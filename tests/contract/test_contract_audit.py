"""Everything that changes state is audited."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodOptions

from proto.build.image import Image
from proto.build.model import Contract
from tests.fixtures import audited


def changing(image: Image) -> set[str]:
    """Returns the RPCs that the contracts do not mark as free of side effects."""
    found: set[str] = set()
    for file in FileDescriptorSet.FromString(image.data).file:
        if not file.package.startswith("ordermesh."):
            continue
        for service in file.service:
            for method in service.method:
                if method.options.idempotency_level != MethodOptions.NO_SIDE_EFFECTS:
                    found.add(f"{file.package.removeprefix('ordermesh.')}.{service.name}/{method.name}")
    return found


def test_every_change_is_audited(image: Image) -> None:
    """An RPC that may change state stands in the table of what is audited, and says how; nothing else stands there."""
    tables = (audited.IDENTITY, audited.OTHERS, audited.ORDERS, audited.OF_SERVICES.keys())
    assert sum(map(len, tables)) == len(set().union(*tables))
    assert set().union(*tables) == changing(image)


def test_only_services_change_without_a_record(contract: Contract) -> None:
    """What users can call is recorded, or in the order log."""
    public = {method.grpc_path for method in contract.public_methods()}
    assert not {f"/ordermesh.{name}" for name in audited.OF_SERVICES} & public


@pytest.mark.parametrize("name", sorted(audited.OF_SERVICES))
def test_what_has_no_record_says_why(name: str) -> None:
    """In a few words."""
    assert audited.OF_SERVICES[name]
