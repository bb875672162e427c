"""The gateway's certificate on one machine: of an authority of its own, made at the first start and kept."""

import datetime as dt
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from deploy.embedded.errors import DeployError
from deploy.embedded.issuer import Pair
from deploy.embedded.secrets import write_private

LIFE = dt.timedelta(days=365)
RENEWED_BEFORE_END = dt.timedelta(days=60)
"""A certificate with less than this left is made anew when the gateway starts."""


@dataclass(frozen=True, slots=True)
class GatewayCertificate:
    """Certificates and keys in a folder, readable by their owner alone."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate: what callers are told to trust."""
        return self.folder / "authority.pem"

    @property
    def certificate(self) -> Path:
        """The gateway's key and certificate, in one file: both are replaced in one step."""
        return self.folder / "gateway.pem"

    def environment(self) -> dict[str, str]:
        """Return the variables that tell the gateway its files."""
        return {
            "ORDERMESH_GATEWAY_TLS_CERTIFICATE_FILE": str(self.certificate),
            "ORDERMESH_GATEWAY_TLS_KEY_FILE": str(self.certificate),
        }

    def told(self) -> dict[str, str]:
        """Return the variable that tells callers whom to believe."""
        return {"ORDERMESH_GATEWAY_TLS_AUTHORITY_FILE": str(self.authority)}

    def make(self, now: dt.datetime) -> None:
        """Make what is not there yet, or has not long to live.

        Raises:
            DeployError: what stands in place of the authority is none.
        """
        authority = self._kept(now) or self._made(now)
        if not _lasts(authority.end_of(self.certificate), now):
            pair = authority.issue("Ordermesh gateway", now, LIFE, _names(), [ExtendedKeyUsageOID.SERVER_AUTH])
            write_private(self.certificate, pair.pem())

    @property
    def _authority_key(self) -> Path:
        return self.folder / "authority.key"

    def _kept(self, now: dt.datetime) -> Pair | None:
        if not (self.authority.exists() and self._authority_key.exists()):
            return None
        try:
            authority = Pair.read(self._authority_key.read_bytes(), self.authority.read_bytes())
        except ValueError:
            told = f"{self.folder} holds no authority; without it a new one is made at the next start"
            raise DeployError(told) from None
        return authority if _lasts(authority.certificate.not_valid_after_utc, now) else None

    def _made(self, now: dt.datetime) -> Pair:
        authority = Pair.authority("Ordermesh gateway authority", now)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_private(self._authority_key, authority.key_pem())
        write_private(self.authority, authority.certificate_pem())
        return authority


def _lasts(end: dt.datetime | None, now: dt.datetime) -> bool:
    return end is not None and end - now > RENEWED_BEFORE_END


def _names() -> Sequence[x509.GeneralName]:
    hosts = dict.fromkeys(["localhost", socket.gethostname()])
    addresses = [x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", "::1")]
    return [*(x509.DNSName(host) for host in hosts if host.isascii()), *addresses]
