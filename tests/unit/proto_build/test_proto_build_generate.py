"""Generation from small contracts: what comes out, and how mistakes are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from proto.build import generate
from proto.build.gateway_tables import routes_file, shapes_file
from proto.build.generate import generated_files
from proto.build.layout import Layout
from proto.build.model import Contract, Kind
from proto.build.openapi import openapi_file
from proto.build.output import drift, only_one_at_a_time, write
from proto.build.template import routes
from tests.unit.proto_build.conftest import SAMPLE, write_contract


def test_generation_gives_the_same_bytes_twice(layout: Layout) -> None:
    """Nothing of time, order or machine is in what is generated."""
    first, second = generated_files(layout), generated_files(layout)

    assert first == second
    assert {
        "README.md",
        "descriptors/ordermesh.binpb",
        "gateway/routes.json",
        "gateway/shapes.lua",
        "openapi/openapi.json",
        "python/buf/validate/validate_pb2.py",
        "python/ordermesh/sample/v1/sample_pb2.py",
        "python/ordermesh/sample/v1/sample_pb2.pyi",
        "python/ordermesh/sample/v1/sample_pb2_grpc.py",
        "python/ordermesh/sample/v1/sample_pb2_grpc.pyi",
    } <= first.keys()
    # A file without a service has no service module.
    assert "python/ordermesh/type/v1/type_pb2_grpc.py" not in first
    assert str(layout.root).encode() not in b"".join(first.values())


def test_the_command_writes_and_then_finds_no_drift(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` fails naming each file that differs, and is silent after generation."""
    monkeypatch.setattr(generate, "here", lambda: layout)
    assert generate.main(["--check"]) == 1
    assert "missing: openapi/openapi.json" in capsys.readouterr().err

    assert generate.main([]) == 0
    capsys.readouterr()
    assert generate.main(["--check"]) == 0
    assert capsys.readouterr().err == ""

    (layout.gen / "openapi" / "openapi.json").write_text("{}", encoding="utf-8")
    (layout.gen / "left_over.txt").write_text("", encoding="utf-8")
    assert generate.main(["--check"]) == 1
    told = capsys.readouterr().err
    assert "changed: openapi/openapi.json" in told
    assert "stale: left_over.txt" in told


@pytest.mark.parametrize(
    ("find", "put", "told"),
    [
        ("string thing_id = 1", "strng thing_id = 1", '"strng" is not defined'),
        ("string thing_id = 1", "string thing_id", "sample.proto:"),
        ("/api/v1/things/{thing_id}", "/api/v1/things/{other}", "binds other, which"),
        ("/api/v1/things/{thing_id}", "/api/v1/things/{thing_id=*}", "is not made of names"),
        ('post: "/api/v1/things"', 'get: "/api/v1/things/{thing_name}"', "share GET"),
        ("rpc MakeThing(MakeThingRequest)", "rpc MakeThing(stream MakeThingRequest)", "client stream"),
    ],
)
def test_mistakes_are_told(
    layout: Layout,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    find: str,
    put: str,
    told: str,
) -> None:
    """A contract that does not compile, or cannot be served, fails in words that lead to it; nothing is written."""
    assert find in SAMPLE
    write_contract(layout, "sample", SAMPLE.replace(find, put, 1))
    monkeypatch.setattr(generate, "here", lambda: layout)

    assert generate.main([]) == 1
    assert told in capsys.readouterr().err
    assert not layout.gen.exists()


def test_writing_removes_what_is_stale_and_touches_only_what_changed(tmp_path: Path) -> None:
    """Files that are right keep their time, so that builds that depend on them do not run again."""
    files = {"a/one": b"1", "b/two": b"2"}
    assert write(tmp_path, files) == 2
    before = (tmp_path / "a" / "one").stat().st_mtime_ns

    assert write(tmp_path, {"a/one": b"1"}) == 1
    assert (tmp_path / "a" / "one").stat().st_mtime_ns == before
    assert not (tmp_path / "b").exists()
    assert drift(tmp_path, {"a/one": b"1"}) == []


def test_two_generations_wait_for_each_other(tmp_path: Path) -> None:
    """Whoever comes second waits until the first is done."""
    order: list[str] = []

    def second() -> None:
        with only_one_at_a_time(tmp_path):
            order.append("second")

    with only_one_at_a_time(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_routes_come_most_literal_first(load: Callable[[], Contract]) -> None:
    """Each binding is a route, and the tables name services, streams and what the path binds."""
    contract = load()
    table = json.loads(routes_file(contract))

    assert [route.binding.path for route in routes(contract)] == [
        "/api/v1/things",
        "/api/v1/stream/things",
        "/api/v1/things/{thing_id}",
        "/api/v1/shelves/{shelf}/things/{thing_id}",
    ]
    assert table["services"] == [
        {"name": "ordermesh.sample.v1.ThingService", "area": "sample", "streams": ["StreamThings"], "public": []}
    ]
    assert table["routes"][3]["bound"] == ["shelf", "thing_id"]
    assert table["routes"][1]["stream"] is True


def test_shapes_hold_what_callers_send_and_no_more(load: Callable[[], Contract]) -> None:
    """Both JSON names of a field are known; answers and internal requests are not in the table."""
    shapes = shapes_file(load()).decode()

    assert '["thing_name"] = { name = "thing_name", kind = "string" }' in shapes
    assert '["thingName"] = { name = "thing_name", kind = "string" }' in shapes
    assert '["colour"] = { name = "colour", kind = "enum", type = "ordermesh.sample.v1.Colour" }' in shapes
    assert '["numbers"] = { name = "numbers", kind = "uint32", repeated = true }' in shapes
    assert '["labels"] = { name = "labels", kind = "string", map = "string" }' in shapes
    assert '["made_at"] = { name = "made_at", kind = "timestamp" }' in shapes
    assert "secret_thing" not in shapes
    assert "GetThingResponse" not in shapes


def test_the_model_knows_comments_kinds_and_constraints(load: Callable[[], Contract]) -> None:
    """What the generators read is what the contract says."""
    contract = load()
    name, colour, numbers, labels, *_ = contract.messages["ordermesh.sample.v1.MakeThingRequest"].fields

    assert (name.kind, name.required, name.comment) == (Kind.STRING, True, "Its name.")
    assert (colour.kind, colour.type_name) == (Kind.ENUM, "ordermesh.sample.v1.Colour")
    assert (numbers.kind, numbers.repeated) == (Kind.UINT32, True)
    assert (labels.kind, labels.map_key, labels.repeated) == (Kind.STRING, Kind.STRING, False)
    assert [service.public for service in contract.services] == [True, False]


def test_the_openapi_document_says_the_constraints(load: Callable[[], Contract]) -> None:
    """Bodies, parameters, constraints, streams and messages that hold themselves are described."""
    document = json.loads(openapi_file(load()))
    schemas = document["components"]["schemas"]
    made = schemas["sample.MakeThingRequest"]

    assert made["required"] == ["thing_name"]
    assert made["properties"]["thing_name"]["pattern"] == "^[a-z]+$"
    assert made["properties"]["maker"]["anyOf"] == [{"const": ""}, {"pattern": "^[a-z]+$"}]
    assert made["properties"]["colour"]["not"] == {"const": "COLOUR_UNSPECIFIED"}
    assert made["properties"]["numbers"]["maxItems"] == 3
    assert made["properties"]["numbers"]["items"]["maximum"] == 9
    assert made["properties"]["labels"]["additionalProperties"] == {"type": "string"}
    assert schemas["sample.Thing"]["properties"]["things"]["items"] == {"$ref": "#/components/schemas/sample.Thing"}
    assert schemas["sample.Thing"]["properties"]["number"]["type"] == "string"

    get = document["paths"]["/api/v1/things/{thing_id}"]["get"]
    assert get["summary"] == "Tells one thing"
    assert [(each["name"], each["in"], each["required"]) for each in get["parameters"]] == [
        ("thing_id", "path", True),
        ("shelf", "query", False),
    ]
    second = document["paths"]["/api/v1/shelves/{shelf}/things/{thing_id}"]["get"]
    assert second["operationId"] == "ThingService_GetThing_2"
    stream = document["paths"]["/api/v1/stream/things"]["get"]
    assert "text/event-stream" in stream["responses"]["200"]["content"]
    assert stream["parameters"][0]["description"] == "Heartbeats. Bounds: at least 1s, at most 60s."
    assert "`INVALID_FIELD`: Bad." in document["components"]["responses"]["Error"]["description"]
