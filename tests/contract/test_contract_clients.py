"""What clients of others are told to generate is all that they need."""

from __future__ import annotations

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from proto.build.layout import here

ROOTS = (
    "ordermesh/order/v1/order_service.proto",
    "ordermesh/identity/v1/identity_service.proto",
    "google/rpc/error_details.proto",
)


def test_a_client_generates_all_that_its_services_import() -> None:
    """Each file once; google's well-known types come with every protobuf."""
    content = (here().gen / "descriptors" / "ordermesh.binpb").read_bytes()
    imported = {file.name: file.dependency for file in FileDescriptorSet.FromString(content).file}
    text = (here().root / "tests" / "clients" / "files.txt").read_text(encoding="utf-8")
    told = [line for line in text.splitlines() if not line.startswith("#")]

    needed, waiting = set[str](), list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name not in needed and not name.startswith("google/protobuf/"):
            needed.add(name)
            waiting += imported[name]
    assert set(told) == needed
    assert len(told) == len(needed)
