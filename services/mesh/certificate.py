"""The certificate that a process shows to the others, and whom it believes: files, read again when they change.

Certificates live a day. Whoever issues them replaces the files long before their end, and nothing is started again:
a server looks at the files before each handshake, and channels are made anew (`Channels.renew`), because gRPC reads
what a client shows when a channel is made, and a connection lost a day later could not be had back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.mesh.config import PREFIX, ConfigurationError, ServiceSettings
from services.mesh.names import Key

CHECK_SECONDS: Final = 5.0
"""How often the files are looked at for new channels."""

_log = structlog.stdlib.get_logger(__name__)

_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where a certificate is, in PEM.

    Attributes:
        certificate: The certificate, and those between it and the authority.
        key: Its private key; may be the same file, which is then replaced in one step.
        authority: Certificates of the authorities that are believed.
    """

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True, slots=True)
class _Held:
    stamp: _Stamp
    certificate: bytes
    key: bytes
    authority: bytes


class Certificate:
    """What the files hold, as servers and channels take it. May be asked by any thread.

    Attributes:
        files: Where it is read.
        generation: Grows by one whenever the files hold something new.
    """

    def __init__(self, files: CertificateFiles) -> None:
        """Reads the files.

        Raises:
            ConfigurationError: They cannot be read, or hold no certificate with its key.
        """
        self.files = files
        self._lock = threading.Lock()
        self.generation = 0
        try:
            self._held = _read(files)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(f"the certificate {files.certificate} cannot be used: {error}") from None
        self._credentials: tuple[int, grpc.ChannelCredentials] | None = None

    def refresh(self) -> int:
        """Reads the files again if they have changed, and returns the generation of what is held.

        What cannot be read, as a certificate whose key is still to come, changes nothing: it is looked at again later.
        """
        with self._lock:
            try:
                if _stamp(self.files) != self._held.stamp:
                    self._held = _read(self.files)
                    self.generation += 1
            except (OSError, ValueError, TypeError) as error:
                _log.warning("certificate cannot be read again", **{Key.ERROR: str(error)})
            return self.generation

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Returns what a channel shows and believes that is made now."""
        generation = self.refresh()
        if self._credentials is None or self._credentials[0] != generation:
            held = self._held
            made = grpc.ssl_channel_credentials(held.authority, held.key, held.certificate)
            self._credentials = generation, made
        return self._credentials[1]

    def server_credentials(self) -> grpc.ServerCredentials:
        """Returns what a server shows and believes, looked at before each handshake; who shows nothing is refused."""
        told = self.refresh()

        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal told
            before, told = told, self.refresh()
            return None if before == told else self._configuration()

        # The published types deny that it may return None.
        fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", changed)
        return grpc.dynamic_ssl_server_credentials(self._configuration(), fetch, require_client_authentication=True)

    async def watch(self, renewed: Callable[[], None], every_seconds: float = CHECK_SECONDS) -> None:
        """Calls this whenever the files hold something new, also since they were read first, for ever."""
        known = 0
        while True:
            await asyncio.sleep(every_seconds)
            if self.refresh() != known:
                known = self.generation
                renewed()

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        held = self._held
        return grpc.ssl_server_certificate_configuration([(held.key, held.certificate)], held.authority)


def certificate_of(settings: ServiceSettings) -> Certificate | None:
    """Returns the certificate of a service; None when it has none and speaks plain text.

    Raises:
        ConfigurationError: It cannot be read.
    """
    certificate, key, authority = (
        settings.tls_certificate_file,
        settings.tls_key_file,
        settings.tls_authority_file,
    )
    if certificate is None or key is None or authority is None:
        return None
    return Certificate(CertificateFiles(certificate, key, authority))


def _stamp(files: CertificateFiles) -> _Stamp:
    found = (path.stat() for path in (files.certificate, files.key, files.authority))
    return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in found)


def _read(files: CertificateFiles) -> _Held:
    stamp = _stamp(files)
    held = _Held(stamp, files.certificate.read_bytes(), files.key.read_bytes(), files.authority.read_bytes())
    x509.load_pem_x509_certificates(held.authority)
    public = x509.load_pem_x509_certificate(held.certificate).public_key()
    if load_pem_private_key(held.key, password=None).public_key() != public:
        raise ValueError(f"{files.key} is not the key of {files.certificate}")
    return held


def certificate_from(environment: Mapping[str, str], service: str = "") -> Certificate | None:
    """Returns the certificate that variables name for a service, else for everybody; None when they name none.

    Raises:
        ConfigurationError: It cannot be read, or they name only a part of it.
    """
    for prefix in (f"{PREFIX}{service.upper()}_TLS", f"{PREFIX}TLS"):
        told = [environment.get(f"{prefix}_{part}_FILE", "") for part in ("CERTIFICATE", "KEY", "AUTHORITY")]
        if all(told):
            return Certificate(CertificateFiles(*map(Path, told)))
        if any(told):
            raise ConfigurationError(f"of {prefix}_CERTIFICATE_FILE, …_KEY_FILE and …_AUTHORITY_FILE one is not set")
    return None


def names_of(settings: ServiceSettings) -> Mapping[str, str]:
    """Returns the services that the settings say are at addresses: what `risk_address` names is `risk`."""
    names: dict[str, str] = {}
    for field in type(settings).model_fields:
        service, value = field.removesuffix("_address"), getattr(settings, field)
        if service != field and isinstance(value, str) and not service.endswith(("metrics", "admin")):
            names[value] = service
        elif field.endswith("_shard_addresses"):
            names |= dict.fromkeys(value, field.removesuffix("_shard_addresses"))
    return names
