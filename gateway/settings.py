"""The gateway's settings, from the environment alone: the same names on one machine and in containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_HIGHEST_PORT = 65535


class SettingsError(Exception):
    """A setting is missing or has no meaning; the message names it in one line."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host name or IP address, and a TCP port (0: the system chooses)."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the gateway shows to services, and the authority that it believes; all of them files in PEM."""

    file: Path
    key: Path
    authority: Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the gateway listens, where the services are, and whom browsers may belong to."""

    listen: Address
    admin: Address
    # Address of each component that serves a public area, by area (`order`, `risk`, …).
    upstreams: Mapping[str, Address]
    # The shards of OrderService in their order, when there are several; its address above is then the first of them.
    order_shards: tuple[Address, ...] = ()
    # Origins of web pages that may call, beside those of this machine; `*` for any.
    cors_origins: tuple[str, ...] = ()
    # File of the access log, such as `/dev/stdout`; empty for none.
    access_log: str = ""
    # OTLP collector that gets the gateway's trace spans; absent for none.
    otlp: Address | None = None
    # Largest request body, in bytes.
    max_request_bytes: int = 1 << 20
    # Largest body of an answer that is not a stream, in bytes.
    max_response_bytes: int = 16 << 20
    # How long an answer that is not a stream may take, in seconds.
    unary_timeout_seconds: float = 15.0
    # What services know the gateway by; absent where connections to them are not encrypted.
    upstream_certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the environment, naming the variable in every error."""

    environment: Mapping[str, str]
    areas: frozenset[str] = field(default_factory=frozenset)

    def text(self, name: str, default: str) -> str:
        return self.environment.get(f"ORDERMESH_{name}", "").strip() or default

    def address(self, name: str, default: str = "") -> Address:
        return self._address(name, self.text(name, default))

    def addresses(self, name: str) -> tuple[Address, ...]:
        return tuple(self._address(name, text.strip()) for text in self.text(name, "").split(",") if text.strip())

    def _address(self, name: str, text: str) -> Address:
        host, colon, port = text.rpartition(":")
        if not (colon and host and port.isdecimal() and int(port) <= _HIGHEST_PORT):
            told = f"is {text!r}" if text else "is not set"
            raise SettingsError(f"ORDERMESH_{name} {told}: expected host:port")
        return Address(host.removeprefix("[").removesuffix("]"), int(port))

    def certificate(self, name: str) -> Certificate | None:
        """The three files of a certificate; None when there are none of them."""
        variables = [f"{name}_{part}_FILE" for part in ("CERTIFICATE", "KEY", "AUTHORITY")]
        found = [self.text(variable, "") for variable in variables]
        if not any(found):
            return None
        for variable, path in zip(variables, found, strict=True):
            if not path:
                raise SettingsError(
                    f"ORDERMESH_{variable} is not set, without which the others of its kind are of no use"
                )
        return Certificate(*map(Path, found))

    def whole(self, name: str, default: int) -> int:
        text = self.text(name, str(default))
        if not (text.isdecimal() and int(text) > 0):
            raise SettingsError(f"ORDERMESH_{name} is {text!r}: expected a whole number above 0")
        return int(text)


def from_environment(environment: Mapping[str, str], areas: frozenset[str]) -> Settings:
    """Reads the settings; `areas` are those that need an address.

    Raises:
        SettingsError: naming the first variable that is missing or malformed.
    """
    read = _Reader(environment)
    return Settings(
        listen=read.address("GATEWAY_ADDRESS", "127.0.0.1:8080"),
        admin=read.address("GATEWAY_ADMIN_ADDRESS", "127.0.0.1:9901"),
        upstreams={area: read.address(f"{area.upper()}_ADDRESS") for area in sorted(areas)},
        order_shards=read.addresses("ORDER_SHARD_ADDRESSES"),
        cors_origins=tuple(origin for origin in read.text("GATEWAY_CORS_ORIGINS", "").split(",") if origin),
        access_log=read.text("GATEWAY_ACCESS_LOG", ""),
        otlp=read.address("GATEWAY_OTLP_ADDRESS") if read.text("GATEWAY_OTLP_ADDRESS", "") else None,
        max_request_bytes=read.whole("GATEWAY_MAX_REQUEST_BYTES", 1 << 20),
        max_response_bytes=read.whole("GATEWAY_MAX_RESPONSE_BYTES", 16 << 20),
        unary_timeout_seconds=read.whole("GATEWAY_UNARY_TIMEOUT_SECONDS", 15),
        upstream_certificate=read.certificate("GATEWAY_UPSTREAM"),
    )
