"""Every RPC there is, from the generated contracts, and who may call it, from the table in the documents.

The table is read rather than the options of the contracts, of which the services read theirs: who attacks expects what
people were told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor

from tests.fixtures.contracts import all_methods
from tests.fixtures.rest_form import Binding, bindings
from tests.fixtures.ways import path_of

_TABLE: Final = Path(__file__).resolve().parents[2] / "gen" / "access.md"
_SERVED_BY: Final = {
    "EventLogService": ("order",),
    "AuditLogService": ("broker", "marketdata", "order", "portfolio", "risk"),
}
"""Services that are not of the part of the mesh that their package is named after."""


@dataclass(frozen=True, slots=True, repr=False)
class Rpc:
    """An RPC.

    Attributes:
        roles: The roles that may call it, in the words of the table; None: everybody, without a token.
        scope: What a token must be for; empty: whatever it is for.
        peers: The services of the mesh that may call it.
    """

    method: MethodDescriptor
    roles: frozenset[str] | None
    scope: str
    peers: frozenset[str]

    @property
    def path(self) -> str:
        """The path on the wire."""
        return path_of(self.method)

    @property
    def areas(self) -> Sequence[str]:
        """The parts of the mesh that serve it."""
        service = self.method.containing_service
        return _SERVED_BY.get(service.name, (service.full_name.split(".")[1],))

    @property
    def internal(self) -> bool:
        """Whether no user may call it."""
        return self.roles is not None and not self.roles

    @property
    def request(self) -> Any:
        """Class of its requests."""
        return message_factory.GetMessageClass(self.method.input_type)

    @property
    def bindings(self) -> Sequence[Binding]:
        """How it is called over REST; nothing for what is gRPC's alone."""
        return bindings(self.method)

    def __repr__(self) -> str:
        return self.path


@cache
def rpcs() -> Sequence[Rpc]:
    """Returns every RPC of every service."""
    table = _table()
    return tuple(Rpc(method, *table[method.containing_service.full_name, method.name]) for method in all_methods())


def public_rpcs() -> list[Rpc]:
    """Returns those that users may call."""
    return [rpc for rpc in rpcs() if not rpc.internal]


def _table() -> Mapping[tuple[str, str], tuple[frozenset[str] | None, str, frozenset[str]]]:
    found, service = {}, ""
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            service = line.removeprefix("## ")
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if service.startswith("ordermesh.") and line.startswith("|") and cells[0] not in {"RPC", "---"}:
            name, _, roles, scope, peers = cells
            found[service, name] = (None if roles == "everybody" else _words(roles), scope, _words(peers))
    return found


def _words(cell: str) -> frozenset[str]:
    return frozenset(word.strip() for word in cell.split(",") if word.strip())
