"""Who calls, and what they may do here."""

from __future__ import annotations

from dataclasses import dataclass

from services.identity.domain.user import User
from services.identity.domain.values import Proof, Role, Scope
from services.kernel.errors import permission

_REASON = "PERMISSION_DENIED"


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller whose token is good.

    Attributes:
        user: The user, as they are now.
        session_id: Session or API key of the token.
        scopes: What the token may be used for.
        proofs: How the caller has proved who they are.
    """

    user: User
    session_id: str
    scopes: tuple[Scope, ...]
    proofs: tuple[Proof, ...]

    @property
    def logged_in(self) -> bool:
        """Whether the token is one of a session, not of an API key."""
        return Proof.KEY not in self.proofs

    def require_login(self) -> None:
        """Refuses a caller who has only an API key.

        Raises:
            CodedError: PERMISSION_DENIED.
        """
        if not self.logged_in:
            raise permission(_REASON, "this wants a token of a login, not one of an API key")

    def require_scope(self, scope: Scope) -> None:
        """Refuses a token that is not for this.

        Raises:
            CodedError: PERMISSION_DENIED.
        """
        if scope not in self.scopes:
            raise permission(_REASON, f"this wants a token with the scope {scope.name.lower()}")

    def require_role(self, *roles: Role) -> None:
        """Refuses a caller who has none of these roles.

        Raises:
            CodedError: PERMISSION_DENIED.
        """
        if not set(roles) & set(self.user.roles):
            names = " or ".join(role.name.lower() for role in roles)
            raise permission(_REASON, f"this wants the role {names}")
