"""Settings: frozen, validated, from the environment and an optional TOML file.

A field `drain_seconds` of the service `order` is looked for, in this order, in
`ORDERMESH_ORDER_DRAIN_SECONDS`, `ORDERMESH_DRAIN_SECONDS`, the table `[order]` of the file named by
`ORDERMESH_CONFIG_FILE`, and the top of that file.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

PREFIX = "ORDERMESH_"
CONFIG_FILE = "ORDERMESH_CONFIG_FILE"

_ADDRESS = re.compile(r"unix:.+|(?:[A-Za-z0-9_.\-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})")
_LAST_PORT = 65_535


def _is_address(text: str) -> str:
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[1] or 0) > _LAST_PORT:
        raise ValueError(f"must be host:port, the port at most {_LAST_PORT}, or unix:path")
    return text


Address = Annotated[str, AfterValidator(_is_address)]
"""`host:port` (port 0: the system chooses) or `unix:path`."""


def listed(value: object) -> object:
    """Returns the parts of a text with commas between them; what is no text as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Addresses = Annotated[tuple[Address, ...], NoDecode, BeforeValidator(listed)]
"""Addresses with commas between them."""


class ConfigurationError(Exception):
    """A setting that is missing or wrong; the text is one line for whoever starts the service."""


def _of_scheme(*schemes: str) -> Callable[[SecretStr], SecretStr]:
    def check(url: SecretStr) -> SecretStr:
        if url.get_secret_value().partition("://")[0] not in schemes:
            raise ValueError(f"must begin with {schemes[0]}://")
        return url

    return check


class ServiceSettings(BaseSettings):
    """What every service can be told. A service derives its own and sets `service`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    service: ClassVar[str] = ""

    address: Address = "127.0.0.1:0"
    """Where the gRPC server listens."""
    port_file: Path | None = None
    """File that the chosen port is written to once the server listens."""
    metrics_address: Address = "127.0.0.1:0"
    """Where Prometheus metrics are served over HTTP."""
    metrics_port_file: Path | None = None
    """File that the chosen port for metrics is written to."""
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    """Least level that is logged."""
    drain_seconds: float = Field(default=10.0, ge=0, le=600)
    """How long calls in flight may take to finish once the service is told to stop."""
    max_concurrent_calls: int = Field(default=20_000, ge=1)
    """Calls, streams included, that are served at once; more are answered with RESOURCE_EXHAUSTED."""
    enforce_access: bool = False
    """Whether callers must prove who they are and be named by the contract. Else everybody may call everything."""
    identity_address: Address = "127.0.0.1:7006"
    """IdentityService, whose keys access tokens are verified with."""
    issuer: str = Field(default="ordermesh", min_length=1)
    """`iss` of access tokens."""
    audience: str = Field(default="ordermesh", min_length=1)
    """`aud` of access tokens."""
    trusted_proxies: Annotated[
        tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...], NoDecode, BeforeValidator(listed)
    ] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
    """Networks of the gateways, with commas between: where they call from, the caller is whom they say."""
    tls_certificate_file: Path | None = None
    """Certificate that this service proves with who it is, in PEM. Without it, connections are not encrypted."""
    tls_key_file: Path | None = None
    """Key of the certificate, in PEM; may be the same file."""
    tls_authority_file: Path | None = None
    """Certificates of the authorities that are believed, in PEM."""
    otel_endpoint: str = ""
    """Where traces go (OTLP over gRPC); nothing is traced without it. `OTEL_EXPORTER_OTLP_ENDPOINT` is the same."""

    @model_validator(mode="after")
    def _certificate_is_whole(self) -> Self:
        files = {name: getattr(self, name) for name in ("tls_certificate_file", "tls_key_file", "tls_authority_file")}
        missing = [variable_of(type(self), name) for name, path in files.items() if path is None]
        if 0 < len(missing) < len(files):
            raise ValueError(f"{missing[0]} is not set, without which the others of its kind are of no use")
        if self.enforce_access and missing:
            raise ValueError(f"{missing[0]} is not set, without which no service could call this one")
        return self

    @classmethod
    def load(cls) -> Self:
        """Returns the settings of this process.

        Raises:
            ConfigurationError: A value is missing or wrong, or the file cannot be read.
        """
        try:
            return cls()
        except ValidationError as error:
            raise ConfigurationError(_one_line(cls, error.errors(include_url=False))) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by two with our prefixes
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env files
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no secret directories
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Returns where settings come from, first wins."""
        own, everyone = _file_tables(cls.service)
        return (
            init_settings,
            EnvSettingsSource(settings_cls, env_prefix=f"{PREFIX}{cls.service}_"),
            EnvSettingsSource(settings_cls, env_prefix=PREFIX),
            InitSettingsSource(settings_cls, init_kwargs=own),
            InitSettingsSource(settings_cls, init_kwargs=everyone),
        )


class StoreSettings(ServiceSettings):
    """Settings of a service that has a schema in Postgres."""

    postgres_url: Annotated[SecretStr, AfterValidator(_of_scheme("postgresql", "postgres"))]
    """Such as `postgresql://user:password@host:5432/database`, or with `?host=/directory` for a socket."""
    postgres_pool_size: int = Field(default=5, ge=1, le=200)
    """Connections kept open."""


class BusSettings(ServiceSettings):
    """Settings of a service that publishes to the bus or reads from it."""

    redis_url: Annotated[SecretStr, AfterValidator(_of_scheme("redis", "rediss", "unix"))]
    """Such as `redis://host:6379/0`, or `unix:///path`."""
    relay_interval_seconds: float = Field(default=0.025, ge=0, le=10)
    """Least time between two publications of the log; what is committed meanwhile goes into one."""


def variable_of(settings: type[ServiceSettings], field: str) -> str:
    """Returns the environment variable that holds a field now, else the one that would."""
    own = f"{PREFIX}{settings.service}_{field}".upper()
    general = f"{PREFIX}{field}".upper()
    return own if own in os.environ else general


def _file_tables(service: str) -> tuple[dict[str, Any], dict[str, Any]]:
    path = os.environ.get(CONFIG_FILE)
    if not path:
        return {}, {}
    try:
        everyone = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{CONFIG_FILE}={path}: cannot be read: {error}") from None
    own = everyone.get(service, {})
    if not isinstance(own, dict):
        raise ConfigurationError(f"{CONFIG_FILE}={path}: [{service}] must be a table")
    return own, {key: value for key, value in everyone.items() if not isinstance(value, dict)}


def _one_line(settings: type[ServiceSettings], errors: list[ErrorDetails]) -> str:
    return "; ".join(_phrase(settings, error) for error in errors).replace("\n", " ")


def _phrase(settings: type[ServiceSettings], error: ErrorDetails) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    rule = error["msg"].removeprefix("Value error, ")
    if name not in settings.model_fields:
        return rule
    variable = variable_of(settings, name)
    if error["type"] == "missing":
        return f"{variable} is not set"
    shown = "(hidden)" if "Secret" in str(settings.model_fields[name].annotation) else repr(error["input"])
    return f"{variable}={shown}: {rule}"
