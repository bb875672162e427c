"""Settings of IdentityService."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from services.identity.crypto.passwords import Parameters
from services.identity.domain.keys import KeyRules
from services.identity.domain.session import SessionRules
from services.identity.domain.throttle import Rule
from services.identity.domain.values import Environment, Role
from services.identity.pipeline.first_users import FirstUser
from services.identity.pipeline.throttling import Rules
from services.mesh.config import Address, Addresses, StoreSettings, listed

_DAY: Final = 86_400
_NAME: Final = "^([a-z0-9][a-z0-9_.@+-]{1,63})?$"
_WORLDS: Final = {environment.name.lower(): environment for environment in Environment}
_KEPT_SECONDS: Final = 60
"""What is added to the life of a token before its key is removed: what clocks differ by, with room."""


def _worlds(value: object) -> object:
    # A word: an empty variable is one that is not set.
    names = () if value == "none" else listed(value)
    if not isinstance(names, tuple) or not all(isinstance(name, Environment) or name in _WORLDS for name in names):
        raise ValueError("must be simulation, live, both with a comma between, or none")
    return tuple(name if isinstance(name, Environment) else _WORLDS[name] for name in names)


def _world(value: object) -> object:
    if isinstance(value, Environment):
        return value
    if value not in _WORLDS:
        raise ValueError("must be simulation or live")
    return _WORLDS[str(value)]


class IdentitySettings(StoreSettings):
    """What IdentityService can be told."""

    service: ClassVar[str] = "identity"

    secrets_key: SecretStr = SecretStr("")
    """Key that seals signing keys and second factors: 32 bytes in base64. Empty: the file's."""
    secrets_key_file: Path = Path("var/identity/secrets.key")
    """File that holds the key; made, readable by its owner only, when it is not there."""
    registration: Annotated[tuple[Environment, ...], NoDecode, BeforeValidator(_worlds)] = (Environment.SIMULATION,)
    """Environments into which users may register themselves: simulation, live, both with a comma between, or none."""

    access_token_seconds: int = Field(default=300, ge=10, le=3600)
    """Life of an access token: how long what it says may be out of date."""
    challenge_seconds: int = Field(default=300, ge=10, le=3600)
    """How long a login waits for its second factor."""
    session_idle_seconds: int = Field(default=14 * _DAY, ge=60)
    """When a session ends that is not refreshed."""
    session_most_seconds: int = Field(default=30 * _DAY, ge=60)
    """When a session ends that is."""
    most_sessions: int = Field(default=50, ge=1)
    """Sessions of a user; one more ends the oldest."""
    most_api_keys: int = Field(default=50, ge=1)
    """API keys of a user that are good."""

    key_period_seconds: int = Field(default=7 * _DAY, ge=600)
    """How long a key signs before the next one does."""
    key_lead_seconds: int = Field(default=3600, ge=300)
    """How long a key is told before it signs."""
    keys_interval_seconds: float = Field(default=30, gt=0, le=120)
    """How often the keys are looked at."""
    sweep_interval_seconds: float = Field(default=3600, gt=0)
    """How often what is over is removed."""

    order_address: Address | None = None
    """OrderService, whose audit log is chained. Unset, here and below: it is not."""
    order_shard_addresses: Addresses = ()
    """Its shards, in their order, with commas between, if there are several."""
    risk_address: Address | None = None
    """RiskService."""
    broker_address: Address | None = None
    """BrokerService."""
    portfolio_address: Address | None = None
    """PortfolioService."""
    marketdata_address: Address | None = None
    """MarketDataService."""
    audit_interval_seconds: float = Field(default=2, gt=0, le=60)
    """How often services are asked for what they have changed."""
    audit_seal_seconds: float = Field(default=10, gt=0, le=3600)
    """How often the chain is sealed, where it has grown."""

    argon2_time_cost: int = Field(default=3, ge=1, le=100)
    """Passes over the memory. With the two below: what RFC 9106 recommends where memory is scarce."""
    argon2_memory_kib: int = Field(default=65_536, ge=8, le=4_194_304)
    """Memory of a hash."""
    argon2_parallelism: int = Field(default=4, ge=1, le=64)
    """Lanes of a hash."""
    hashes_at_once: int = Field(default=2, ge=1, le=64)
    """Passwords hashed at a time."""
    hashes_waiting: int = Field(default=64, ge=0)
    """Passwords that may wait for it; more are answered with RESOURCE_EXHAUSTED."""

    account_attempts: int = Field(default=5, ge=1)
    """Wrong passwords, or codes, of an account without a pause."""
    address_attempts: int = Field(default=50, ge=1)
    """Wrong passwords, codes and keys from an address without a pause, and registrations."""
    attempt_pause_seconds: float = Field(default=1, gt=0)
    """First pause; each is twice the one before."""
    account_pause_most_seconds: float = Field(default=900, gt=0)
    """Longest pause of an account."""
    address_pause_most_seconds: float = Field(default=60, gt=0)
    """Longest pause of an address, behind which there may be many."""
    attempts_forget_seconds: float = Field(default=3600, gt=0)
    """Attempts are forgotten after so long without one."""

    first_environment: Annotated[Environment, BeforeValidator(_world)] = Environment.SIMULATION
    """Where the first users are made."""
    first_admin: str = Field(default="", pattern=_NAME)
    """Name of an admin to make when there are no users. Empty: none is made."""
    first_admin_password: SecretStr = SecretStr("")
    """Their password. Empty: one is made up."""
    first_trader: str = Field(default="", pattern=_NAME)
    """Name of a trader to make when there are no users. Empty: none is made."""
    first_trader_password: SecretStr = SecretStr("")
    """Their password. Empty: one is made up."""
    first_trader_account: str = Field(default="demo", pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    """The account that they trade for."""
    first_users_file: Path | None = None
    """File that says who was made at the first start, with which password: for whoever starts the mesh to show once."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.key_lead_seconds >= self.key_period_seconds:
            raise ValueError("ORDERMESH_IDENTITY_KEY_LEAD_SECONDS must be less than ..._KEY_PERIOD_SECONDS")
        if self.first_users_file is None and any(not wish.password for wish in self.first_users()):
            raise ValueError("ORDERMESH_IDENTITY_FIRST_USERS_FILE is not set: nobody would learn the passwords made up")
        return self

    def audit_logs(self) -> dict[str, tuple[str, ...]]:
        """Returns where the audit logs of the other services are, by name."""
        # The shards of OrderService have one audit log, which any of them tells.
        found = {"order": self.order_shard_addresses} if self.order_shard_addresses else {}
        for name in ("order", "risk", "broker", "portfolio", "marketdata"):
            if name not in found and (address := getattr(self, f"{name}_address")) is not None:
                found[name] = (address,)
        return found

    def first_users(self) -> list[FirstUser]:
        """Returns the users to make when there are none."""
        admin = FirstUser(self.first_admin, Role.ADMIN, (), self.first_admin_password.get_secret_value())
        accounts, password = (self.first_trader_account,), self.first_trader_password.get_secret_value()
        trader = FirstUser(self.first_trader, Role.TRADER, accounts, password)
        return [wish for wish in (admin, trader) if wish.username]

    def hash_parameters(self) -> Parameters:
        """Returns what a hash costs."""
        return Parameters(
            self.argon2_time_cost,
            self.argon2_memory_kib,
            self.argon2_parallelism,
            self.hashes_at_once,
            self.hashes_waiting,
        )

    def session_rules(self) -> SessionRules:
        """Returns how long sessions last."""
        return SessionRules(timedelta(seconds=self.session_idle_seconds), timedelta(seconds=self.session_most_seconds))

    def key_rules(self) -> KeyRules:
        """Returns how signing keys follow one another."""
        kept = self.access_token_seconds + _KEPT_SECONDS + 2 * self.keys_interval_seconds
        return KeyRules(
            timedelta(seconds=self.key_period_seconds),
            timedelta(seconds=self.key_lead_seconds),
            timedelta(seconds=kept),
        )

    def attempt_rules(self) -> Rules:
        """Returns how many attempts there are."""
        first, forget = self.attempt_pause_seconds, self.attempts_forget_seconds
        return Rules(
            Rule(self.account_attempts, first, self.account_pause_most_seconds, forget),
            Rule(self.address_attempts, first, self.address_pause_most_seconds, forget),
        )
