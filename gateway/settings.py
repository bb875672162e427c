"""The gateway's settings, from the environment alone: the same names on one machine and in containers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

_LONGEST_SOCKET_BYTES = 107
"""Of the path of a socket, by Linux."""
_SOCKET = "unix:"
_HIGHEST_PORT = 65535
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def fits_socket(path: Path) -> bool:
    """Whether a socket can have a path."""
    return len(os.fsencode(path)) <= _LONGEST_SOCKET_BYTES


class SettingsError(Exception):
    """A setting is missing or has no meaning; the message names it in one line."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host name or IP address, and a TCP port (0: the system chooses)."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether nobody outside this machine reaches it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the gateway shows to services, and the authority that it believes; all of them files in PEM."""

    file: Path
    key: Path
    authority: Path


@dataclass(frozen=True, slots=True)
class Tls:
    """Where the gateway listens with TLS, and the files of its certificate chain and key, in PEM."""

    listen: Address
    certificate_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second, and how many may come at once; 0 a second: no limit."""

    per_second: int
    burst: int


# A fast program trades on a stream, whose messages are not counted; an address may be that of many users.
USER_RATE = Rate(2_000, 4_000)
ADDRESS_RATE = Rate(20_000, 40_000)
# A password costs its service tens of milliseconds.
LOGIN_RATE = Rate(20, 200)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the gateway listens, where the services are, and what callers must show and may ask for."""

    listen: Address
    # A path: a socket of this machine that its owner alone may use.
    admin: Address | Path
    # Address of each component that serves a public area, by area (`order`, `risk`, …).
    upstreams: Mapping[str, Address]
    # Where it listens with TLS beside `listen`; absent for nowhere.
    tls: Tls | None = None
    # Whether callers must show an access token, of this issuer and for this audience, for all that is not public.
    enforce_access: bool = False
    issuer: str = "ordermesh"
    audience: str = "ordermesh"
    # How long the keys of tokens are kept before they are asked for again, in seconds: less than the five minutes for
    # which the contract lets a set be kept. A new key is told an hour before it signs. Envoy reads whole seconds.
    keys_seconds: float = 240.0
    # What a user may ask for, and an address, and an address of all that begins a login.
    user_rate: Rate = USER_RATE
    address_rate: Rate = ADDRESS_RATE
    login_rate: Rate = LOGIN_RATE
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
    # How long the head of a request may take to arrive; its body, unless it is a stream, no longer than both together.
    receive_timeout_seconds: float = 10.0
    # Connections of callers at once; more are refused, rather than all slowed.
    max_connections: int = 50_000
    # Calls and streams that one service serves at once; more are refused here, as the service would.
    max_calls: int = 20_000
    # Memory in bytes; as it is reached, first connections are not kept, then requests are refused.
    max_heap_bytes: int = 2 << 30


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the environment, naming the variable in every error."""

    environment: Mapping[str, str]

    def text(self, name: str, default: str) -> str:
        return self.environment.get(f"ORDERMESH_{name}", "").strip() or default

    def address(self, name: str, default: str = "") -> Address:
        return self._address(name, self.text(name, default))

    def addresses(self, name: str) -> tuple[Address, ...]:
        return tuple(self._address(name, text.strip()) for text in self.text(name, "").split(",") if text.strip())

    def _address(self, name: str, text: str) -> Address:
        host, colon, port = text.rpartition(":")
        if not (colon and host and port.isdecimal() and int(port) <= _HIGHEST_PORT):
            raise SettingsError(f"ORDERMESH_{name} {_told(text)}: expected host:port")
        return Address(host.removeprefix("[").removesuffix("]"), int(port))

    def certificate(self, name: str) -> Certificate | None:
        """The three files of a certificate; None when there are none of them."""
        variables = [f"{name}_{part}_FILE" for part in ("CERTIFICATE", "KEY", "AUTHORITY")]
        if not any(self.text(variable, "") for variable in variables):
            return None
        return Certificate(*map(self.file, variables))

    def whole(self, name: str, default: int, least: int = 1) -> int:
        text = self.text(name, str(default))
        if not (text.isdecimal() and int(text) >= least):
            raise SettingsError(f"ORDERMESH_{name} is {text!r}: expected a whole number, {least} or more")
        return int(text)

    def flag(self, name: str) -> bool:
        text = self.text(name, "false").lower()
        if text not in _FLAGS:
            raise SettingsError(f"ORDERMESH_{name} is {text!r}: expected true or false")
        return _FLAGS[text]

    def rate(self, name: str, default: Rate) -> Rate:
        """A rate without a burst of its own may take twice of it at once."""
        per_second = self.whole(f"{name}_RATE", default.per_second, least=0)
        burst = default.burst if per_second == default.per_second else 2 * per_second
        return Rate(per_second, self.whole(f"{name}_BURST", max(1, burst)))

    def plain(self) -> Address:
        """Where it listens without TLS: nothing is read or changed on the way within this machine."""
        address = self.address("GATEWAY_ADDRESS", "127.0.0.1:8080")
        if not address.is_loopback and not self.flag("GATEWAY_PLAINTEXT_ANYWHERE"):
            raise SettingsError(
                f"ORDERMESH_GATEWAY_ADDRESS is {address.host!r}: without TLS it listens on the loopback interface; set "
                "ORDERMESH_GATEWAY_TLS_ADDRESS for others, or ORDERMESH_GATEWAY_PLAINTEXT_ANYWHERE=true"
            )
        return address

    def admin(self) -> Address | Path:
        text = self.text("GATEWAY_ADMIN_ADDRESS", "127.0.0.1:9901")
        path = text.removeprefix(_SOCKET)
        return Path(path) if path != text else self._address("GATEWAY_ADMIN_ADDRESS", text)

    def tls(self) -> Tls | None:
        if not self.text("GATEWAY_TLS_ADDRESS", ""):
            return None
        files = [self.file(f"GATEWAY_TLS_{what}_FILE") for what in ("CERTIFICATE", "KEY")]
        return Tls(self.address("GATEWAY_TLS_ADDRESS"), *files)

    def file(self, name: str) -> Path:
        text = self.text(name, "")
        if not Path(text).is_file():
            raise SettingsError(f"ORDERMESH_{name} {_told(text)}: expected a file")
        return Path(text)


def _told(text: str) -> str:
    return f"is {text!r}" if text else "is not set"


def from_environment(environment: Mapping[str, str], areas: frozenset[str]) -> Settings:
    """Reads the settings; `areas` are those that need an address.

    Raises:
        SettingsError: naming the first variable that is missing or malformed.
    """
    read = _Reader(environment)
    return Settings(
        listen=read.plain(),
        tls=read.tls(),
        enforce_access=read.flag("ENFORCE_ACCESS"),
        issuer=read.text("ISSUER", "ordermesh"),
        audience=read.text("AUDIENCE", "ordermesh"),
        user_rate=read.rate("GATEWAY_USER", USER_RATE),
        address_rate=read.rate("GATEWAY_ADDRESS", ADDRESS_RATE),
        login_rate=read.rate("GATEWAY_LOGIN", LOGIN_RATE),
        admin=read.admin(),
        upstreams={area: read.address(f"{area.upper()}_ADDRESS") for area in sorted(areas)},
        order_shards=read.addresses("ORDER_SHARD_ADDRESSES"),
        cors_origins=tuple(origin for origin in read.text("GATEWAY_CORS_ORIGINS", "").split(",") if origin),
        access_log=read.text("GATEWAY_ACCESS_LOG", ""),
        otlp=read.address("GATEWAY_OTLP_ADDRESS") if read.text("GATEWAY_OTLP_ADDRESS", "") else None,
        max_request_bytes=read.whole("GATEWAY_MAX_REQUEST_BYTES", 1 << 20),
        max_response_bytes=read.whole("GATEWAY_MAX_RESPONSE_BYTES", 16 << 20),
        unary_timeout_seconds=read.whole("GATEWAY_UNARY_TIMEOUT_SECONDS", 15),
        upstream_certificate=read.certificate("GATEWAY_UPSTREAM"),
        receive_timeout_seconds=read.whole("GATEWAY_RECEIVE_TIMEOUT_SECONDS", 10),
        max_connections=read.whole("GATEWAY_MAX_CONNECTIONS", 50_000),
        max_calls=read.whole("GATEWAY_MAX_CALLS", 20_000),
        max_heap_bytes=read.whole("GATEWAY_MAX_HEAP_BYTES", 2 << 30),
    )
