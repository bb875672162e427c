"""Where the mesh is: what the caller says, what the environment says, or what runs in this checkout."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc

from services.kernel.errors import CodedError, unavailable
from services.mesh.certificate import certificate_from
from services.mesh.client import Channels
from services.mesh.config import PREFIX, ConfigurationError

SUFFIX = "_ADDRESS"
GATEWAY = "gateway"
HTTPS = "https://"
"""Before the address of a gateway that is called with TLS."""
_LAST_PORT: Final = 65_535
_HTTPS_PORT: Final = "443"
_HOST_PORT: Final = re.compile(r"(http://|https://)?([^\s:/@]+|\[[0-9a-fA-F:]+\])(?::([0-9]{1,5}))?/?")
PLAINTEXT: Final = f"{PREFIX}PLAINTEXT_ANYWHERE"
"""Variable by which somebody says that nobody reads along on the way to another machine."""
_TLS_ADDRESS, _TLS_AUTHORITY = (f"{PREFIX}GATEWAY_TLS_{what}" for what in ("ADDRESS", "AUTHORITY_FILE"))
MESH_FILE = Path(__file__).resolve().parents[2] / "var" / "run" / "mesh.json"
"""Written by the mesh of this checkout while it runs."""

ENVIRONMENT_NAMES = ("gateway", "order", "portfolio", "marketdata", "risk", "broker", "identity", "system", "engine")


class AddressError(Exception):
    """What was said of where the mesh is cannot be; the message says why."""


class Where(NamedTuple):
    """What the caller says of where the mesh is.

    Attributes:
        address: `host:port` of a gateway, with `https://` before it when it is to be encrypted; empty for nothing.
        ca: File with the authorities whose certificates are believed there.
    """

    address: str = ""
    ca: Path | None = None


NOWHERE: Final = Where()
"""The caller says nothing."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where services are called.

    Attributes:
        gateway: `host:port` of the gateway, through which every public service is called; empty when there is none.
        encrypted: Whether the gateway is called with TLS.
        ca: File with the authorities whose certificates are believed of it; None for those that this machine believes.
        services: `host:port` of services by name, called directly where there is no gateway.
        certificates: The variables that name the certificates with which services are called directly.
        anywhere: Whether other machines may be called without encryption.
    """

    gateway: str
    services: Mapping[str, str]
    certificates: Mapping[str, str] = field(default_factory=dict)
    encrypted: bool = False
    ca: Path | None = None
    anywhere: bool = False

    @property
    def name(self) -> str:
        """What the mesh is called: where it is, and how. Tokens are kept by it."""
        return (HTTPS if self.encrypted else "") + (self.gateway or self.services.get("identity", ""))

    def of(self, service: str) -> str:
        """Returns where a public service is called.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when nobody said.
        """
        return self.gateway or self.directly(service)

    def directly(self, service: str) -> str:
        """Returns where a service itself is, public or not.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when nobody said.
        """
        address = self.services.get(service)
        if not address:
            variable = f"{PREFIX}{service.upper()}{SUFFIX}"
            raise unavailable("SERVICE_UNAVAILABLE", f"it is not known where {service} is; set {variable} or --address")
        return address

    def channels(self, service: str = "") -> Channels:
        """Returns channels to where this says: encrypted but for those to a gateway without `https://`.

        A gateway is shown no certificate: who calls it says so by a token.

        Args:
            service: The service whose certificate is shown; empty for the operator's.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when a certificate cannot be read.
            AddressError: Tokens would go to another machine without encryption.
        """
        try:
            certificate = certificate_from(self.certificates, service)
        except ConfigurationError as error:
            raise unavailable("SERVICE_UNAVAILABLE", str(error)) from None
        if self.encrypted:
            return Channels(certificate=certificate, credentials={self.gateway: _believing(self.ca)})
        plain = [self.gateway] if self.gateway else self.services.values() if certificate is None else ()
        if not self.anywhere and (far := next((each for each in plain if not _is_here(each)), "")):
            raise AddressError(
                f"{far} is on another machine, and nothing would be encrypted, passwords and tokens included; "
                f"put https:// before the address of a gateway, give services certificates, or set {PLAINTEXT}=true"
            )
        return Channels(certificate=certificate, plain={self.gateway})


def find_mesh(
    where: Where = NOWHERE, environment: Mapping[str, str] = os.environ, mesh_file: Path = MESH_FILE
) -> Addresses:
    """Returns where the mesh is: what `--address` says, else the environment, else the mesh of this checkout.

    Raises:
        CodedError: SERVICE_UNAVAILABLE, when nothing says where it is, or the mesh of this checkout does not run.
        AddressError: An authority is named for what is not encrypted, or the environment's address is none.
    """
    named, certificates = _named(environment), _certificates(environment)
    gateway = named.pop(GATEWAY, "")
    told, anywhere = where.address or _gateway(gateway), environment.get(PLAINTEXT, "").lower() == "true"
    address = told.removeprefix(HTTPS)
    if where.ca is not None and told == address:
        raise AddressError("--ca is of no use without https:// before the address: nothing is encrypted")
    if not (told or named):
        return _of_checkout(mesh_file)
    if told == address:
        return Addresses(address, named, certificates, anywhere=anywhere)
    ca = where.ca or _file(environment) or _of_this_machine(mesh_file, address)
    return Addresses(address, named, certificates, encrypted=True, ca=ca)


def _is_here(address: str) -> bool:
    """Tells whether what is sent to an address stays on this machine, whoever answers for names."""
    host = address.rpartition(":")[0].strip("[]").lower()
    if address.startswith("unix:") or host == "localhost":
        return True
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified


def host_port(address: str) -> str:
    """Returns the `host:port` of an address, also of one copied as a URL, with `https://` before it if that was there.

    Raises:
        ValueError: It is neither; the message says what it should be.
    """
    found = _HOST_PORT.fullmatch(address)
    scheme, host, port = found.groups() if found is not None else ("", "", "")
    encrypted = scheme == HTTPS
    port = port or (_HTTPS_PORT if encrypted else "0")
    if not host or not 0 < int(port) <= _LAST_PORT:
        raise ValueError(f"{address!r} is not HOST:PORT, such as 127.0.0.1:8080, nor https://HOST[:PORT]")
    return f"{HTTPS if encrypted else ''}{host}:{port}"


def _gateway(told: str) -> str:
    """Returns what the environment says as `--address` would, so that a login is found by either."""
    try:
        return host_port(told) if told else ""
    except ValueError as error:
        raise AddressError(f"{PREFIX}{GATEWAY.upper()}{SUFFIX}: {error}") from None


def _of_this_machine(mesh_file: Path, address: str) -> Path | None:
    """Returns the authority of the mesh of this checkout, if an address is that of its gateway."""
    try:
        environment = _running(mesh_file).get("environment", {})
    except CodedError:
        return None
    host, _, port = address.rpartition(":")
    told, _, own_port = environment.get(_TLS_ADDRESS, "").rpartition(":")
    ours = port == own_port and host in {told, "localhost", socket.gethostname()}
    return _file(environment) if ours else None


def _file(environment: Mapping[str, str]) -> Path | None:
    return Path(path) if (path := environment.get(_TLS_AUTHORITY, "")) else None


def _believing(ca: Path | None) -> grpc.ChannelCredentials:
    """Returns what a channel needs to a server whose certificate is of one of these authorities.

    Raises:
        CodedError: SERVICE_UNAVAILABLE, when they cannot be read.
    """
    # What this machine believes, and not what gRPC has brought along: an authority of a company's own is there.
    known = ssl.get_default_verify_paths().cafile
    file = ca or (Path(known) if known else None)
    try:
        return grpc.ssl_channel_credentials(None if file is None else file.read_bytes())
    except OSError as error:
        raise unavailable("SERVICE_UNAVAILABLE", f"the authority {file} cannot be read: {error}") from None


def _running(mesh_file: Path) -> Mapping[str, Any]:
    """Returns what the mesh of this checkout has told of itself.

    Raises:
        CodedError: SERVICE_UNAVAILABLE, when it does not run.
    """
    try:
        state: Mapping[str, Any] = json.loads(mesh_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _not_running("the mesh of this checkout is not running") from None
    except (OSError, ValueError) as error:
        raise _not_running(f"{mesh_file} cannot be read: {error}") from None
    if not _is_alive(state.get("supervisor")):
        raise _not_running("the mesh of this checkout has stopped without saying so")
    return state


def _of_checkout(mesh_file: Path) -> Addresses:
    state = _running(mesh_file)
    environment = state.get("environment", {})
    named = _named(environment)
    gateway = named.pop(GATEWAY, "")
    return Addresses(
        gateway if GATEWAY in state.get("components", {}) else "", named, _certificates(environment), anywhere=True
    )


def _named(environment: Mapping[str, str]) -> dict[str, str]:
    found = {name: environment.get(f"{PREFIX}{name.upper()}{SUFFIX}", "") for name in ENVIRONMENT_NAMES}
    return {name: address for name, address in found.items() if address}


def _certificates(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: path for name, path in environment.items() if name.startswith(PREFIX) and "TLS_" in name}


def _not_running(text: str) -> CodedError:
    return unavailable("SERVICE_UNAVAILABLE", f"{text}; start it with `make run`, or say where one is with --address")


def _is_alive(process: object) -> bool:
    if not isinstance(process, int):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
