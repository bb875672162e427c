"""What the contracts say of who may call what."""

from __future__ import annotations

from proto.build.access_table import access_file
from proto.build.model import Contract, Grant, Method

SIMULATED_MARKET = "market"
"""The one service of the mesh without contracts of its own."""


def grant_of(contract: Contract, method: Method) -> Grant | None:
    """What an RPC asks of callers from outside."""
    return next((grant for grant in contract.grants if grant.access == method.access), None)


def all_methods(contract: Contract) -> list[Method]:
    """Every RPC."""
    return [method for service in contract.services for method in service.methods]


def test_every_rpc_says_who_may_call_it(contract: Contract) -> None:
    """RPCs of public services name an access; the others name services alone: no outsider may call them."""
    for service in contract.services:
        for method in service.methods:
            assert bool(method.access) == service.public, method.grpc_path
            assert method.access or method.peers, method.grpc_path


def test_every_access_says_who_has_it(contract: Contract) -> None:
    """Each is for everybody or for some roles; no role is that of services, which are named one by one."""
    assert [grant for grant in contract.grants if not grant.public and not grant.roles] == [contract.grants[0]]
    for grant in contract.grants:
        assert not (grant.public and (grant.roles or grant.scope)), grant.access
        assert "ROLE_SERVICE" not in grant.roles, grant.access


def test_compliance_changes_nothing(contract: Contract) -> None:
    """Compliance has no access whose scope is more than reading."""
    theirs = {grant.scope for grant in contract.grants if "ROLE_COMPLIANCE" in grant.roles}
    assert theirs == {"", "SCOPE_READ"}


def test_changes_want_more_than_reading(contract: Contract) -> None:
    """What is called by another verb than GET has a scope that changes, or is about the caller's own login."""
    for method in contract.public_methods():
        grant = grant_of(contract, method)
        assert grant is not None
        reads = all(binding.verb == "GET" for binding in method.bindings)
        if grant.access not in {"ACCESS_PUBLIC", "ACCESS_OWN"}:
            assert reads == (grant.scope == "SCOPE_READ"), method.grpc_path


def test_peers_are_services_of_the_mesh(contract: Contract) -> None:
    """No RPC is open to a service that there is not."""
    areas = {service.name.split(".")[1] for service in contract.services} | {SIMULATED_MARKET}
    assert {peer for method in all_methods(contract) for peer in method.peers} <= areas - {"engine", "event"}


def test_roles_and_scopes_are_those_of_tokens(contract: Contract) -> None:
    """What grants name and what tokens hold has the same names and numbers."""
    for name in ("Role", "Scope"):
        ours, theirs = (contract.enums[f"ordermesh.{area}.v1.{name}"] for area in ("type", "identity"))
        assert [(v.name, v.number) for v in ours.values] == [(v.name, v.number) for v in theirs.values]


def test_the_table_has_every_rpc(contract: Contract) -> None:
    """The document names every RPC once, below its service."""
    table = access_file(contract).decode()
    for service in contract.services:
        part = table.partition(f"## {service.name}\n")[2].partition("\n## ")[0]
        assert [line.split(" ")[1] for line in part.splitlines()[3:]] == [method.name for method in service.methods]
