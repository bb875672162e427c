"""IdentityService."""

from __future__ import annotations

from ordermesh.identity.v1 import identity_service_pb2_grpc
from services.identity.servicer.accounts import ApiKeyMethods, ProfileMethods, SecondFactorMethods
from services.identity.servicer.logins import LoginMethods
from services.identity.servicer.users import UserMethods


class IdentityServicer(
    LoginMethods,
    ProfileMethods,
    SecondFactorMethods,
    ApiKeyMethods,
    UserMethods,
    identity_service_pb2_grpc.IdentityServiceServicer,
):
    """All methods of the service."""
