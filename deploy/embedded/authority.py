"""The local authority: certificates by which the parts of one mesh know each other, and nobody else.

Made at the first start of a folder, and followed by another one long before its end: with a fifth of its life left,
the next one is made and believed beside it; with a tenth, the next one issues, and the first is believed to its end.
A service has one file, with its key and its certificate in it, so that both are replaced in one step. A certificate
says who its holder is by a SPIFFE ID, and has the names under which it is called.
"""

import datetime as dt
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from deploy.embedded.errors import DeployError
from deploy.embedded.issuer import Pair
from deploy.embedded.ports import HOST
from deploy.embedded.saying import say
from deploy.embedded.secrets import write_private

TRUST_DOMAIN = "ordermesh.dev"
LIFE = dt.timedelta(days=1)
ANNOUNCED, FOLLOWED = 0.2, 0.1
"""Shares of its life that an authority has left when the next one is made, and when that one issues."""

_CALLED = "Ordermesh local authority"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority whose files are in `folder`; what it issues to services is good for `life`."""

    folder: Path
    life: dt.timedelta = LIFE

    @property
    def certificate(self) -> Path:
        """The file with the certificates of the authority, the one before and the next: what everybody believes."""
        return self.folder / "authority.pem"

    @property
    def key(self) -> Path:
        """The file with its key, the certificate that belongs to it, and those of the authorities before it."""
        return self.folder / "authority.key"

    @property
    def next_key(self) -> Path:
        """The same of the next authority, from when it is made until it issues."""
        return self.folder / "authority.next.key"

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
        """Return the authority's key and certificate, made when there are none, or when others are due."""
        now = dt.datetime.now(dt.UTC)
        if not self.key.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            write_private(self.key, Pair.authority(_CALLED, now).pem())
        own, (_, *earlier) = self._read(self.key), x509.load_pem_x509_certificates(self.key.read_bytes())
        believed = [own.certificate, *(each for each in earlier if now < each.not_valid_after_utc)]
        if (left := _left(own.certificate, now)) < ANNOUNCED:
            following = self._following(own, now)
            believed.append(following.certificate)
            if left < FOLLOWED:
                return self._followed_by(following, [each for each in believed if now < each.not_valid_after_utc])
        self._tell(believed)
        return own

    def _following(self, own: Pair, now: dt.datetime) -> Pair:
        """Return the next authority, made now when there is none yet."""
        # It is the authority itself where it was not removed once it had followed.
        if not self.next_key.exists() or self._read(self.next_key).certificate == own.certificate:
            write_private(self.next_key, Pair.authority(_CALLED, now).pem())
            say(
                f"the authority of the mesh ends on {own.certificate.not_valid_after_utc:%Y-%m-%d}; another follows: "
                f"give {self.certificate} to whoever has a copy, and start the gateway again within a year"
            )
        return self._read(self.next_key)

    def _followed_by(self, following: Pair, believed: Sequence[x509.Certificate]) -> Pair:
        """Let the next authority issue from now on. Broken off anywhere, it is done again from the beginning."""
        others = [each for each in believed if each != following.certificate]
        self._tell([following.certificate, *others])
        write_private(self.key, following.pem() + _pem(others))
        self.next_key.unlink(missing_ok=True)
        return following

    def _tell(self, believed: Sequence[x509.Certificate]) -> None:
        if not self.certificate.exists() or self.certificate.read_bytes() != _pem(believed).encode():
            write_private(self.certificate, _pem(believed))

    def _read(self, path: Path) -> Pair:
        content = path.read_bytes()
        try:
            return Pair.read(content, content)
        except ValueError:
            told = f"{path} holds no authority; without {self.folder} a new one is made at the next start"
            raise DeployError(told) from None


def _left(certificate: x509.Certificate, now: dt.datetime) -> float:
    """Return which share of its life a certificate has left."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return (end - now) / (end - begin)


def _pem(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates)


def _names(service: str) -> Sequence[x509.GeneralName]:
    address = x509.IPAddress(ipaddress.ip_address(HOST))
    return (x509.DNSName(service), x509.DNSName("localhost"), address)
