"""The local authority: certificates by which the parts of one mesh know each other, and nobody else.

Made at the first start of a folder. A service has one file, with its key and its certificate in it, so that both are
replaced in one step. A certificate says who its holder is by a SPIFFE ID, and has the names under which it is called.
"""

import datetime as dt
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from deploy.embedded.errors import DeployError
from deploy.embedded.issuer import Pair
from deploy.embedded.ports import HOST
from deploy.embedded.secrets import write_private

TRUST_DOMAIN = "ordermesh.dev"
LIFE = dt.timedelta(days=1)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority whose files are in `folder`; what it issues to services is good for `life`."""

    folder: Path
    life: dt.timedelta = LIFE

    @property
    def certificate(self) -> Path:
        """The file with the certificate of the authority, which everybody may read and believe."""
        return self.folder / "authority.pem"

    @property
    def key(self) -> Path:
        """The file with its key, and the certificate that belongs to it."""
        return self.folder / "authority.key"

    def service(self, name: str) -> Path:
        """The file with the key and the certificate of a service."""
        return self.folder / f"{name}.pem"

    def client(self, name: str) -> Path:
        """The file with the key and the certificate of a client."""
        return self.folder / "clients" / f"{name}.pem"

    def keep(self, names: Sequence[str], *, renew: bool = False) -> None:
        """Issue to these services, unless what they have has more than half of its life left; or all anew."""
        now = dt.datetime.now(dt.UTC)
        for name in names:
            if renew or not self._is_fresh(self.service(name), now):
                self._issue(self.service(name), f"service/{name}", self.life, _names(name))

    def issue_client(self, name: str, life: dt.timedelta) -> Path:
        """Issue to a client that calls services directly, and return the file.

        Raises:
            DeployError: the name is none.
        """
        if not _NAME.fullmatch(name):
            raise DeployError(f"{name!r} is no name of a client: small letters, digits and hyphens, 40 at most")
        self._issue(self.client(name), f"client/{name}", life, ())
        return self.client(name)

    def has_issued(self, path: Path) -> bool:
        """Tell whether a file has a key and a certificate of this authority."""
        return self._own().end_of(path) is not None

    def _is_fresh(self, path: Path, now: dt.datetime) -> bool:
        """Tell whether a certificate is of this authority and has half of its life left, or more."""
        end = self._own().end_of(path)
        return end is not None and now + self.life / 2 <= end <= now + self.life

    def _issue(self, path: Path, role: str, life: dt.timedelta, names: Sequence[x509.GeneralName]) -> None:
        identity = x509.UniformResourceIdentifier(f"spiffe://{TRUST_DOMAIN}/{role}")
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if names else [])]
        name, now = role.partition("/")[2], dt.datetime.now(dt.UTC)
        pair = self._own().issue(name, now, life, [identity, *names], purposes)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, pair.pem())

    def _own(self) -> Pair:
        """Return the authority's key and certificate, made now when there are none yet."""
        if not self.key.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            write_private(self.key, Pair.authority("Ordermesh local authority", dt.datetime.now(dt.UTC)).pem())
        content = self.key.read_bytes()
        try:
            own = Pair.read(content, content)
        except ValueError:
            told = f"{self.key} holds no authority; without {self.folder} a new one is made at the next start"
            raise DeployError(told) from None
        if not self.certificate.exists() or self.certificate.read_bytes() != own.certificate_pem().encode():
            write_private(self.certificate, own.certificate_pem())
        return own


def _names(service: str) -> Sequence[x509.GeneralName]:
    address = x509.IPAddress(ipaddress.ip_address(HOST))
    return (x509.DNSName(service), x509.DNSName("localhost"), address)
