"""Wires IdentityService and runs it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ordermesh.identity.v1 import audit_service_pb2_grpc, identity_service_pb2_grpc
from services.identity.config import IdentitySettings
from services.identity.crypto.keys import Ring, new_key
from services.identity.crypto.passwords import Argon2Passwords
from services.identity.crypto.tokens import JwtTokens
from services.identity.first_users_file import FirstUsersFile
from services.identity.metrics import IdentityMetrics
from services.identity.peers.audit_logs import SERVICES, OwnAuditLog, RemoteAuditLog, RemoteOrderLog
from services.identity.pipeline.api_keys import ApiKeys
from services.identity.pipeline.auditing import AuditSource, AuditVerifier, Collector, Sealer
from services.identity.pipeline.callers import Callers
from services.identity.pipeline.credentials import Credentials
from services.identity.pipeline.first_users import NoTeller, make_first_users
from services.identity.pipeline.housekeeping import Sweeper
from services.identity.pipeline.login import Logins
from services.identity.pipeline.ports import Means
from services.identity.pipeline.second_factors import SecondFactors
from services.identity.pipeline.sessions import Issuer, Sessions
from services.identity.pipeline.signing import KeyKeeper
from services.identity.pipeline.throttling import Throttle
from services.identity.pipeline.users import Users
from services.identity.servicer.audit import AuditServicer
from services.identity.servicer.desk import Desk
from services.identity.servicer.service import IdentityServicer
from services.identity.store.api_keys import PostgresApiKeyStore
from services.identity.store.attempts import PostgresAttemptStore
from services.identity.store.audit import PostgresAuditStore
from services.identity.store.keys import PostgresKeyStore
from services.identity.store.refusals import PostgresRefusalStore, SessionRefusals
from services.identity.store.schema import SCHEMA
from services.identity.store.second_factors import PostgresSecondFactorStore
from services.identity.store.sessions import PostgresSessionStore
from services.identity.store.users import PostgresUserStore
from services.mesh.audit import Recorder
from services.mesh.config import variable_of
from services.mesh.service import Service, run
from services.mesh.vault import Vault, read_key
from services.storage.audit_log import AuditLog, AuditNotes, AuditTrail
from services.storage.database import Database, PoolOptions
from services.storage.migrations import migrate

SESSIONS_KEPT: Final = timedelta(days=7)
"""How long after its end a session is known: a refresh token presented again is then told from one that never was."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The parts of the schema."""

    users: PostgresUserStore
    sessions: PostgresSessionStore
    factors: PostgresSecondFactorStore
    keys: PostgresApiKeyStore
    attempts: PostgresAttemptStore
    signing: PostgresKeyStore
    refusals: PostgresRefusalStore
    audit: PostgresAuditStore
    audit_log: AuditLog
    notes: AuditNotes


async def main(service: Service[IdentitySettings]) -> None:
    """Wires the service."""
    settings = service.settings
    stores = await _stores(service)
    ring = await _ring(service, stores.signing)
    passwords = Argon2Passwords(settings.hash_parameters())
    service.on_close(passwords.close)
    means = Means(service.clock, service.identifiers, secrets.token_bytes)

    tokens = JwtTokens(ring, service.clock, issuer=settings.issuer, audience=settings.audience)
    issuer = Issuer(tokens, means, timedelta(seconds=settings.access_token_seconds))
    throttle = Throttle(stores.attempts, settings.attempt_rules(), service.clock)
    credentials = Credentials(stores.users, passwords, throttle, stores.refusals)
    users = Users(stores.users, credentials, throttle, means, registration=settings.registration)
    rules = settings.session_rules()
    over, most = SessionRefusals(service.refusals), settings.most_sessions
    sessions = Sessions(stores.sessions, stores.users, issuer, means, rules, over, most_sessions=most)
    factors = SecondFactors(stores.factors, credentials, throttle, stores.refusals, means, issuer=settings.issuer)
    life = timedelta(seconds=settings.challenge_seconds)
    logins = Logins(credentials, stores.users, factors, sessions, stores.sessions, means, challenge_life=life)
    keys = ApiKeys(
        stores.keys, stores.users, issuer, throttle, stores.refusals, means, most_keys=settings.most_api_keys
    )
    callers = Callers(tokens, stores.users, stores.sessions, stores.keys, over, service.clock)

    await _first_users(settings, users, stores.users)
    attempts = timedelta(seconds=settings.attempts_forget_seconds)
    sweeper = Sweeper(stores.attempts, service.clock, sessions=SESSIONS_KEPT, attempts=attempts)
    _ = service.spawn("sweeper", sweeper.run(settings.sweep_interval_seconds))
    IdentityMetrics(service.telemetry.registry, passwords, throttle, sessions)
    desk = Desk(logins, sessions, factors, keys, users, callers, ring)
    service.server.add(identity_service_pb2_grpc.add_IdentityServiceServicer_to_server, IdentityServicer(desk))
    _audit(service, stores, desk)
    service.record_refusals(stores.notes)


def _audit(service: Service[IdentitySettings], stores: Stores, desk: Desk) -> None:
    """Chains the records of all services, and tells them."""
    settings, chain = service.settings, stores.audit
    channels = {
        name: [service.channels.to(address, *SERVICES) for address in addresses]
        for name, addresses in settings.audit_logs().items()
    }
    others = [RemoteAuditLog(name, each) for name, each in channels.items()]
    sources: list[AuditSource] = [OwnAuditLog(settings.service, stores.audit_log), *others]
    for source in sources:
        collector = Collector(source, chain, settings.audit_interval_seconds)
        _ = service.spawn(f"audit of {source.name}", collector.run())
    _ = service.spawn("audit seals", Sealer(chain, settings.audit_seal_seconds).run())
    servicer = AuditServicer(desk, chain, AuditVerifier(chain, RemoteOrderLog(channels.get("order", ()))))
    service.server.add(audit_service_pb2_grpc.add_AuditServiceServicer_to_server, servicer)


async def _first_users(settings: IdentitySettings, users: Users, store: PostgresUserStore) -> None:
    path, wishes = settings.first_users_file, settings.first_users()
    teller = NoTeller() if path is None else FirstUsersFile(path)
    await make_first_users(users, store, secrets.token_bytes, settings.first_environment, wishes, teller)


async def _stores(service: Service[IdentitySettings]) -> Stores:
    settings = service.settings
    text, variable = settings.secrets_key.get_secret_value(), variable_of(IdentitySettings, "secrets_key")
    vault = Vault(read_key(text, settings.secrets_key_file, variable))
    url = settings.postgres_url.get_secret_value()
    await migrate(url, "identity", schema=SCHEMA)
    database = await service.enter(Database(url, SCHEMA, PoolOptions(size=settings.postgres_pool_size)))
    trail = AuditTrail(settings.service, service.clock, service.identifiers)
    notes = AuditNotes(database, trail)
    return Stores(
        PostgresUserStore(database, trail),
        PostgresSessionStore(database, trail),
        PostgresSecondFactorStore(database, vault, trail),
        PostgresApiKeyStore(database, trail),
        PostgresAttemptStore(database),
        PostgresKeyStore(database, vault, trail),
        PostgresRefusalStore(notes),
        PostgresAuditStore(
            database, vault, service.clock, Recorder(settings.service, service.clock, service.identifiers)
        ),
        AuditLog(database),
        notes,
    )


async def _ring(service: Service[IdentitySettings], store: PostgresKeyStore) -> Ring:
    ring = Ring(service.clock)
    keeper = KeyKeeper(store, ring, service.settings.key_rules(), service.clock, new_key)
    await keeper.refresh()
    _ = service.spawn("keys", keeper.run(service.settings.keys_interval_seconds))
    return ring


if __name__ == "__main__":
    run(IdentitySettings, main)
