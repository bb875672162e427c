"""Small contracts, compiled like the real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from proto.build.image import compile_image
from proto.build.layout import Layout, here
from proto.build.load import load_contract
from proto.build.model import Contract

SAMPLE = """\
syntax = "proto3";

package ordermesh.sample.v1;

import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/timestamp.proto";

// Keeps things.
service ThingService {
  // Tells one thing. Not more.
  rpc GetThing(GetThingRequest) returns (GetThingResponse) {
    option (google.api.http) = {
      get: "/api/v1/things/{thing_id}"
      additional_bindings: {get: "/api/v1/shelves/{shelf}/things/{thing_id}"}
    };
  }
  // Makes a thing.
  rpc MakeThing(MakeThingRequest) returns (MakeThingResponse) {
    option (google.api.http) = {
      post: "/api/v1/things"
      body: "*"
    };
  }
  // Streams things.
  rpc StreamThings(StreamThingsRequest) returns (stream StreamThingsResponse) {
    option (google.api.http) = {get: "/api/v1/stream/things"};
  }
}

// Not reachable from outside.
service InnerService {
  // Works.
  rpc Work(WorkRequest) returns (WorkResponse);
}

// Colour of a thing.
enum Colour {
  // None.
  COLOUR_UNSPECIFIED = 0;
  // Red.
  COLOUR_RED = 1;
}

// Which thing.
message GetThingRequest {
  // Its id.
  string thing_id = 1 [(buf.validate.field).required = true];
  // Its shelf.
  string shelf = 2 [(buf.validate.field).string.max_len = 8];
}

// One thing.
message GetThingResponse {
  // The thing.
  Thing thing = 1;
}

// A thing, which may hold things.
message Thing {
  // Its id.
  string thing_id = 1;
  // What it holds.
  repeated Thing things = 2;
  // Wide number.
  uint64 number = 3;
}

// What to make.
message MakeThingRequest {
  // Its name.
  string thing_name = 1 [
    (buf.validate.field).required = true,
    (buf.validate.field).string.pattern = "^[a-z]+$"
  ];
  // Its colour.
  Colour colour = 2 [(buf.validate.field).enum = {
    defined_only: true
    not_in: [0]
  }];
  // Numbers.
  repeated uint32 numbers = 3 [
    (buf.validate.field).repeated.max_items = 3,
    (buf.validate.field).repeated.items.uint32.lte = 9
  ];
  // Labels.
  map<string, string> labels = 4 [(buf.validate.field).map.max_pairs = 2];
  // Parts.
  repeated Part parts = 5 [(buf.validate.field).repeated.max_items = 2];
  // Who makes it. Empty: nobody in particular.
  string maker = 6 [
    (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE,
    (buf.validate.field).string.pattern = "^[a-z]+$"
  ];
}

// A part.
message Part {
  // When it was made.
  google.protobuf.Timestamp made_at = 1;
}

// What was made.
message MakeThingResponse {}

// Which things to stream.
message StreamThingsRequest {
  // Heartbeats.
  google.protobuf.Duration heartbeat_interval = 1 [(buf.validate.field).duration = {
    gte: {seconds: 1}
    lte: {seconds: 60}
  }];
}

// One message.
message StreamThingsResponse {}

// Internal.
message WorkRequest {
  // Never seen by the gateway.
  Thing secret_thing = 1;
}

// Internal.
message WorkResponse {}
"""

ERRORS = """\
syntax = "proto3";

package ordermesh.type.v1;

// Reasons.
enum ErrorReason {
  // Never sent.
  ERROR_REASON_UNSPECIFIED = 0;
  // Bad.
  ERROR_REASON_INVALID_FIELD = 1;
}
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A repository with two small contracts."""
    made = Layout(tmp_path / "repository")
    write_contract(made, "sample", SAMPLE)
    write_contract(made, "type", ERRORS)
    # The options that say who may call are the project's own: what is generated asks for them by name.
    access = Path("ordermesh", "type", "v1", "access.proto")
    (made.proto / access).write_bytes((here().proto / access).read_bytes())
    (made.root / "buf.yaml").write_text("version: v2\nmodules: [{path: proto}]\nlint: {use: [STANDARD]}\n")
    return made


@pytest.fixture
def load(layout: Layout, tmp_path: Path) -> Callable[[], Contract]:
    """Compiles the repository's contracts as they are when it is called."""

    def compile_now() -> Contract:
        folder = tmp_path / "between"
        folder.mkdir(exist_ok=True)
        return load_contract(compile_image(layout, folder))

    return compile_now


def write_contract(layout: Layout, area: str, text: str) -> Path:
    """Writes the contract of an area."""
    path = layout.proto / "ordermesh" / area / "v1" / f"{area}.proto"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
