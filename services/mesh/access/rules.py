"""Who may call an RPC, as its contract says by the options of `ordermesh/type/v1/access.proto`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ordermesh.type.v1 import access_pb2
from services.mesh.descriptors import service_descriptor

_GRANTS: Final = {
    value.number: value.GetOptions().Extensions[access_pb2.grant]
    for value in access_pb2.Access.DESCRIPTOR.values
    if value.GetOptions().HasExtension(access_pb2.grant)
}


class NoAccessRuleError(LookupError):
    """A contract does not say who may call one of its RPCs."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call an RPC.

    Attributes:
        public: Everybody may, without a token.
        roles: Users of any of these roles may, by the contract's numbers.
        scope: What their token must be for; 0: whatever it is for.
        peers: These services of the mesh may.
    """

    public: bool
    roles: frozenset[int]
    scope: int
    peers: frozenset[str]


def rule_of(service: str, method: str) -> Rule:
    """Returns who may call a method.

    Args:
        service: Full name, such as `ordermesh.order.v1.OrderService`.
        method: Name of the method within it.

    Raises:
        NoAccessRuleError: The contract does not say, or there is no such contract.
    """
    try:
        options = service_descriptor(service).methods_by_name[method].GetOptions()
    except LookupError:
        raise NoAccessRuleError(
            f"/{service}/{method} is in no contract, so that nothing says who may call it"
        ) from None
    access, peers = options.Extensions[access_pb2.access], frozenset(options.Extensions[access_pb2.peers])
    grant = _GRANTS.get(access)
    if grant is None and (access or not peers):
        raise NoAccessRuleError(f"the contract of /{service}/{method} does not say who may call it")
    if grant is None:
        return Rule(public=False, roles=frozenset(), scope=0, peers=peers)
    return Rule(public=grant.public, roles=frozenset(grant.roles), scope=grant.scope, peers=peers)
