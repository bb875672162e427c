"""What the contracts promise of every service, RPC, message and field at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from proto.build.layout import here
from proto.build.model import Contract, Field, Kind, Message, Method
from proto.build.template import routes
from services.mesh.interceptors.wording import WORDS_OF_PATTERN

# Streams to clients say these, in these fields (ordermesh.type.v1).
STREAM_SHAPE = {
    "subscribed": "ordermesh.type.v1.Subscribed",
    "snapshot_begin": "ordermesh.type.v1.SnapshotBegin",
    "snapshot_end": "ordermesh.type.v1.SnapshotEnd",
    "heartbeat": "ordermesh.type.v1.Heartbeat",
    "going_away": "ordermesh.type.v1.GoingAway",
}
LONGEST_FILE_LINES = 285
"""About 270: a message that is there cannot move to another file without breaking who imports it."""
# Paths outside of the versioned interface.
SYSTEM_PATHS = {"/health", "/ready", "/metrics", "/.well-known/jwks.json"}


def own_messages(contract: Contract) -> Iterator[Message]:
    """The messages of our own files."""
    return (message for name, message in contract.messages.items() if name in contract.own)


def without_comment(contract: Contract) -> Iterator[str]:
    """The names of elements that nobody has explained."""
    for service in contract.services:
        yield from [service.name] * (not service.comment)
        yield from (method.grpc_path for method in service.methods if not method.comment)
    for message in own_messages(contract):
        yield from [message.name] * (not message.comment)
        yield from (f"{message.name}.{field.name}" for field in message.fields if not field.comment)
    for name in contract.own & contract.enums.keys():
        enum = contract.enums[name]
        yield from [name] * (not enum.comment)
        yield from (f"{name}.{value.name}" for value in enum.values if not value.comment)


def test_everything_is_commented(contract: Contract) -> None:
    """Every service, RPC, message, field, enum and value says what it means."""
    assert sorted(without_comment(contract)) == []


def test_contracts_are_of_a_size_to_read() -> None:
    """No contract is so long that it should be two."""
    layout = here()
    long = {
        name: lines
        for name in layout.contract_files()
        if (lines := len((layout.proto / name).read_text(encoding="utf-8").splitlines())) > LONGEST_FILE_LINES
    }
    assert long == {}


def test_public_services_are_public_as_a_whole(contract: Contract) -> None:
    """Every RPC of a public service has a path; internal RPCs live in services of their own, which are hidden.

    A stream in both directions has none, for HTTP with JSON has no form of it: it is there for gRPC alone.
    """
    hidden = [
        method.grpc_path
        for service in contract.public_services()
        for method in service.methods
        if not method.bindings and not (method.client_streaming and method.server_streaming)
    ]
    assert hidden == []


def test_paths_are_versioned(contract: Contract) -> None:
    """Every REST path is under `/api/v1/`, but for those of the system; streams are under `stream/`, by GET."""
    for route in routes(contract):
        path = route.binding.path
        assert path.startswith("/api/v1/") or path in SYSTEM_PATHS, path
        assert route.method.server_streaming == path.startswith("/api/v1/stream/"), path
        assert route.binding.verb == "GET" or not route.method.server_streaming, path


def test_requests_with_a_body_take_all_of_it_from_there(contract: Contract) -> None:
    """POST, PUT and PATCH have a body, GET and DELETE have none."""
    for route in routes(contract):
        assert bool(route.binding.body) == (route.binding.verb in {"POST", "PUT", "PATCH"}), route.binding.path


def test_every_list_has_pages(contract: Contract) -> None:
    """A List RPC takes `page_size` and `page_token`, and answers `next_page_token`."""
    for method in contract.public_methods():
        if method.name.startswith("List") or "page_token" in _fields(contract, method.input):
            request, response = _fields(contract, method.input), _fields(contract, method.output)
            assert request["page_size"].kind is Kind.UINT32, method.grpc_path
            assert request["page_size"].rules.uint32.lte, method.grpc_path
            assert request["page_token"].kind is Kind.STRING, method.grpc_path
            assert response["next_page_token"].kind is Kind.STRING, method.grpc_path


def _client_streams(contract: Contract) -> list[Method]:
    return [method for method in contract.public_methods() if method.server_streaming]


def test_streams_share_one_shape(contract: Contract) -> None:
    """Every stream to clients is one required choice of the shared parts and of `snapshot` and `update`.

    What a client asks of a stream stands in its request, or, where it sends many, in the first of them, `open`. Such a
    stream is numbered both ways: `sequence` stands beside the choice.
    """
    streams = _client_streams(contract)
    assert streams
    for method in streams:
        response = contract.messages[method.output]
        fields = {field.name: field for field in response.fields}
        for name, type_name in STREAM_SHAPE.items():
            assert fields[name].type_name == type_name, f"{method.output}.{name}"
        assert {"snapshot", "update"} <= fields.keys(), method.output
        chosen = [field for field in response.fields if not (method.client_streaming and field.name == "sequence")]
        assert len({field.oneof for field in chosen}) == 1, method.output
        assert chosen[0].oneof, method.output
        request = _fields(contract, method.input)
        if method.client_streaming:
            request = _fields(contract, request["open"].type_name)
        assert request["heartbeat_interval"].type_name == "google.protobuf.Duration", method.input


def test_enums_begin_with_no_value(contract: Contract) -> None:
    """Zero means unspecified in every enum."""
    for name in contract.own & contract.enums.keys():
        first = contract.enums[name].values[0]
        assert first.number == 0, name
        assert first.name.endswith("_UNSPECIFIED"), name


def _input_fields(contract: Contract) -> Iterator[tuple[str, Field]]:
    waiting, seen = [method.input for method in contract.public_methods()], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in contract.own:
            continue
        seen.add(name)
        for field in contract.messages[name].fields:
            yield f"{name}.{field.name}", field
            waiting += [field.type_name] * (field.kind is Kind.MESSAGE)


def test_input_is_bounded(contract: Contract) -> None:
    """Every string, list and enum that a caller sends has a constraint: nothing can be of any length or value."""
    unbounded = [
        name
        for name, field in _input_fields(contract)
        if (field.kind in {Kind.STRING, Kind.BYTES, Kind.ENUM} or field.repeated) and field.rules is None
    ]
    assert unbounded == []


def test_every_pattern_has_words(contract: Contract) -> None:
    """A caller is told what a pattern asks for in words, never as a regular expression; no words are left over."""
    rules = [field.rules for _, field in _input_fields(contract) if field.rules is not None]
    texts = [each for rule in rules for each in (rule, rule.repeated.items, rule.map.keys, rule.map.values)]
    patterns = {text.string.pattern for text in texts if text.string.pattern}
    assert patterns == WORDS_OF_PATTERN.keys()


REASON_IN_CODE = re.compile(
    r"(?:invalid|not_found|already_exists|precondition|aborted|out_of_range|permission|unauthenticated|unavailable|exhausted"
    r"|unimplemented)\(\s*\"([A-Z][A-Z0-9_]+)\""
    r"|reason=\"([A-Z][A-Z0-9_]+)\"|reason = \"([A-Z][A-Z0-9_]+)\"|CodedError\(\s*ErrorKind\.\w+,\s*\"([A-Z0-9_]+)\""
)


@pytest.mark.parametrize("folder", ["services", "gateway"])
def test_reasons_are_of_the_contract(contract: Contract, folder: str) -> None:
    """Every reason that the code answers with is documented in the contract."""
    known = {
        value.name.removeprefix("ERROR_REASON_") for value in contract.enums["ordermesh.type.v1.ErrorReason"].values
    }
    used = {
        (path.name, next(filter(None, groups)))
        for suffix in ("*.py", "*.lua")
        for path in (here().root / folder).rglob(suffix)
        for groups in REASON_IN_CODE.findall(path.read_text(encoding="utf-8"))
    }
    assert used
    assert sorted((name, reason) for name, reason in used if reason not in known) == []


def _fields(contract: Contract, name: str) -> dict[str, Field]:
    return {field.name: field for field in contract.messages[name].fields}
