"""Where the mesh is: what the caller says, what the environment says, or what runs in this checkout."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.kernel.errors import CodedError, unavailable
from services.mesh.certificate import certificate_from
from services.mesh.client import Channels
from services.mesh.config import PREFIX, ConfigurationError

SUFFIX = "_ADDRESS"
GATEWAY = "gateway"
MESH_FILE = Path(__file__).resolve().parents[2] / "var" / "run" / "mesh.json"
"""Written by the mesh of this checkout while it runs."""

ENVIRONMENT_NAMES = ("gateway", "order", "portfolio", "marketdata", "risk", "broker", "identity", "system", "engine")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where services are called.

    Attributes:
        gateway: `host:port` of the gateway, through which every public service is called; empty when there is none.
        services: `host:port` of services by name, called directly where there is no gateway.
        certificates: The variables that name the certificates with which services are called directly.
    """

    gateway: str
    services: Mapping[str, str]
    certificates: Mapping[str, str] = field(default_factory=dict)

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
        """Returns channels to where this says: encrypted but for those to the gateway's own port for this machine.

        Args:
            service: The service whose certificate is shown; empty for the operator's.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when the certificate cannot be read.
        """
        try:
            certificate = certificate_from(self.certificates, service)
        except ConfigurationError as error:
            raise unavailable("SERVICE_UNAVAILABLE", str(error)) from None
        return Channels(certificate=certificate, plain={self.gateway})


def find_mesh(address: str = "", environment: Mapping[str, str] = os.environ, mesh_file: Path = MESH_FILE) -> Addresses:
    """Returns where the mesh is: what `--address` says, else the environment, else the mesh of this checkout.

    Raises:
        CodedError: SERVICE_UNAVAILABLE, when nothing says where it is, or the mesh of this checkout does not run.
    """
    named, certificates = _named(environment), _certificates(environment)
    if address:
        return Addresses(address, {name: where for name, where in named.items() if name != GATEWAY}, certificates)
    if named:
        return Addresses(named.pop(GATEWAY, ""), named, certificates)
    return _of_checkout(mesh_file)


def _of_checkout(mesh_file: Path) -> Addresses:
    try:
        state = json.loads(mesh_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _not_running("the mesh of this checkout is not running") from None
    except (OSError, ValueError) as error:
        raise _not_running(f"{mesh_file} cannot be read: {error}") from None
    if not _is_alive(state.get("supervisor")):
        raise _not_running("the mesh of this checkout has stopped without saying so")
    environment = state.get("environment", {})
    named = _named(environment)
    gateway = named.pop(GATEWAY, "")
    return Addresses(gateway if GATEWAY in state.get("components", {}) else "", named, _certificates(environment))


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
