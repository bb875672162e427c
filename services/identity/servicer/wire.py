"""The domain's objects as messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.identity.v1 import api_key_pb2, session_pb2, user_pb2
from ordermesh.type.v1 import trading_pb2
from services.identity.domain.api_key import ApiKey
from services.identity.domain.session import Session
from services.identity.domain.user import User
from services.identity.domain.values import Role
from services.identity.pipeline.sessions import Issued
from services.kernel.clock import to_ns
from services.mesh.streams import timestamp


def stamp(moment: datetime | None) -> Timestamp | None:
    """Returns a time; None for none."""
    return None if moment is None else timestamp(to_ns(moment))


def user_to_proto(user: User) -> user_pb2.User:
    """Returns a user; no secret of theirs."""
    return user_pb2.User(
        user_id=user.user_id,
        username=user.username,
        environment=trading_pb2.Environment.ValueType(user.environment),
        display_name=user.display_name,
        email=user.email,
        roles=[user_pb2.Role.ValueType(role) for role in user.roles],
        account_ids=user.account_ids,
        second_factor=user.second_factor,
        disabled=user.disabled,
        version=user.version,
        created_at=stamp(user.created_at),
        updated_at=stamp(user.updated_at),
    )


def tokens_to_proto(issued: Issued) -> session_pb2.Tokens:
    """Returns tokens."""
    return session_pb2.Tokens(
        access_token=issued.access_token,
        access_token_expires_at=stamp(issued.access_expires_at),
        refresh_token=issued.refresh_token,
        refresh_token_expires_at=stamp(issued.refresh_expires_at),
    )


def session_to_proto(session: Session, current: str) -> session_pb2.Session:
    """Returns a session, told by the one of an id."""
    return session_pb2.Session(
        session_id=session.session_id,
        current=session.session_id == current,
        second_factor=session.second_factor,
        address=session.address,
        last_address=session.last_address,
        client=session.client,
        created_at=stamp(session.created_at),
        refreshed_at=stamp(session.refreshed_at),
        expires_at=stamp(session.expires_at),
    )


def api_key_to_proto(key: ApiKey) -> api_key_pb2.ApiKey:
    """Returns a key; not its secret."""
    return api_key_pb2.ApiKey(
        api_key_id=key.api_key_id,
        name=key.name,
        scopes=[user_pb2.Scope.ValueType(scope) for scope in key.scopes],
        allowed_networks=key.networks,
        created_at=stamp(key.created_at),
        expires_at=stamp(key.expires_at),
        last_used_at=stamp(key.last_used_at),
        last_address=key.last_address,
        revoked_at=stamp(key.revoked_at),
    )


def roles_from_proto(roles: Sequence[user_pb2.Role.ValueType]) -> tuple[Role, ...]:
    """Returns roles."""
    return tuple(map(Role, roles))
