"""What is generated from the contracts is complete, current, and agrees with itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from openapi_spec_validator import validate

from gateway.tables import load_tables
from proto.build import buf
from proto.build.image import Image
from proto.build.layout import here
from proto.build.model import Contract
from proto.build.template import routes

GEN = here().gen


@pytest.fixture(scope="session")
def openapi() -> dict[str, Any]:
    """The committed document."""
    document: dict[str, Any] = json.loads((GEN / "openapi" / "openapi.json").read_text(encoding="utf-8"))
    return document


def test_generated_files_are_what_the_contracts_say() -> None:
    """`make gen` would change nothing.

    A process of its own says so: protobuf writes options in another order where their contracts have been imported.
    """
    done = subprocess.run(
        [sys.executable, "-m", "proto.build.generate", "--check"],
        cwd=here().root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_contracts_keep_the_lint_rules(image: Image, tmp_path: Path) -> None:
    """Buf's STANDARD rules and its format hold, without exceptions."""
    path = tmp_path / "image.binpb"
    buf.write_buf_image(image, path)

    buf.lint(here(), path)
    buf.check_format(here())
    assert "ignore" not in (here().root / "buf.yaml").read_text(encoding="utf-8")


def test_envoy_knows_every_detail_of_an_error() -> None:
    """The descriptor set holds the error details and all they need, without which error bodies would be empty."""
    descriptors = FileDescriptorSet.FromString((GEN / "descriptors" / "ordermesh.binpb").read_bytes())
    names = {f"{file.package}.{message.name}" for file in descriptors.file for message in file.message_type}
    files = {file.name for file in descriptors.file}

    assert {
        "google.rpc.Status",
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
        "google.rpc.RetryInfo",
        "google.rpc.QuotaFailure",
        "ordermesh.type.v1.RiskBreach",
        "ordermesh.system.v1.ComponentReport",
    } <= names
    assert all(set(file.dependency) <= files for file in descriptors.file)
    assert not any(file.HasField("source_code_info") for file in descriptors.file)


def test_the_openapi_document_is_valid(openapi: dict[str, Any]) -> None:
    """The document keeps the OpenAPI 3.1 specification."""
    validate(openapi)


def test_paths_of_document_gateway_and_annotations_are_the_same(openapi: dict[str, Any], contract: Contract) -> None:
    """What is annotated is routed and documented, and nothing else is."""
    annotated = {(route.binding.verb, route.binding.path) for route in routes(contract)}
    routed = {(route.verb, route.path) for route in load_tables().routes}
    documented = {(verb.upper(), path) for path, verbs in openapi["paths"].items() for verb in verbs}

    assert annotated == routed == documented


def test_every_operation_tells_its_failures_and_its_streams(openapi: dict[str, Any], contract: Contract) -> None:
    """Error bodies are documented as `google.rpc.Status`, and event streams as what they are."""
    streams = {route.binding.path for route in routes(contract) if route.method.server_streaming}
    for path, verbs in openapi["paths"].items():
        for operation in verbs.values():
            assert operation["responses"]["default"] == {"$ref": "#/components/responses/Error"}
            kinds = operation["responses"]["200"]["content"]
            assert ("text/event-stream" in kinds) == (path in streams)
    error = openapi["components"]["responses"]["Error"]["content"]["application/json"]["schema"]
    assert error["allOf"][0] == {"$ref": "#/components/schemas/google.rpc.Status"}
