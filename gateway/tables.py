"""The generated tables that the configuration is made from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GEN = ROOT / "gen"
WEB = ROOT / "gateway" / "web"
LUA = ROOT / "gateway" / "lua"


@dataclass(frozen=True, slots=True)
class PublicService:
    """A gRPC service that callers reach, the names of its streaming RPCs, and of those that want no token."""

    name: str
    area: str
    streams: tuple[str, ...]
    public: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RestRoute:
    """One HTTP binding of an RPC.

    Attributes:
        body: What the body is: `*` for the request, a field of it, or empty for none.
        needed: Whether the field that is the body must be there. The transcoder would make an empty one of no body.
        bound: The request's fields that the path holds.
        public: Whether it is called without a token.
    """

    verb: str
    path: str
    rpc: str
    area: str
    input: str
    body: str
    bound: tuple[str, ...]
    stream: bool
    public: bool = False
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Tables:
    """All that is public."""

    services: tuple[PublicService, ...]
    routes: tuple[RestRoute, ...]

    @property
    def areas(self) -> frozenset[str]:
        """The areas that need an upstream."""
        return frozenset(service.area for service in self.services)


def load_tables(path: Path = GEN / "gateway" / "routes.json") -> Tables:
    """Reads `gen/gateway/routes.json`."""
    table = json.loads(path.read_text(encoding="utf-8"))
    services = tuple(
        PublicService(entry["name"], entry["area"], tuple(entry["streams"]), tuple(entry["public"]))
        for entry in table["services"]
    )
    routes = tuple(RestRoute(**{**entry, "bound": tuple(entry["bound"])}) for entry in table["routes"])
    return Tables(services, routes)
