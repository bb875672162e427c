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
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.embedded.errors import DeployError
from deploy.embedded.ports import HOST
from deploy.embedded.secrets import write_private

TRUST_DOMAIN = "ordermesh.dev"
LIFE = dt.timedelta(days=1)
AUTHORITY_LIFE = dt.timedelta(days=3650)
SKEW = dt.timedelta(days=1)
"""So much earlier a certificate is good: a clock that steps back must not part who knows each other."""

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

    def _is_fresh(self, path: Path, now: dt.datetime) -> bool:
        """Tell whether a certificate is of this authority and has half of its life left, or more."""
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
            certificate.verify_directly_issued_by(self._own()[1])
        except (OSError, ValueError, TypeError, InvalidSignature):
            return False
        return now + self.life / 2 <= certificate.not_valid_after_utc <= now + self.life

    def _issue(self, path: Path, role: str, life: dt.timedelta, names: Sequence[x509.GeneralName]) -> None:
        authority_key, authority = self._own()
        key, name = ec.generate_private_key(ec.SECP256R1()), role.partition("/")[2]
        identity = x509.UniformResourceIdentifier(f"spiffe://{TRUST_DOMAIN}/{role}")
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if names else [])]
        certificate = (
            _builder(name, authority.subject, key, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([identity, *names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, _pem(key) + certificate.public_bytes(serialization.Encoding.PEM).decode())

    def _own(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """Return the authority's key and certificate, made now when there are none yet."""
        if not self.key.exists():
            self._make()
        content = self.key.read_bytes()
        try:
            key, certificate = (
                serialization.load_pem_private_key(content, None),
                x509.load_pem_x509_certificate(content),
            )
        except (ValueError, TypeError):
            raise self._unusable() from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise self._unusable()
        told = certificate.public_bytes(serialization.Encoding.PEM).decode()
        if not self.certificate.exists() or self.certificate.read_text() != told:
            write_private(self.certificate, told)
        return key, certificate

    def _unusable(self) -> DeployError:
        return DeployError(f"{self.key} holds no authority; without {self.folder} a new one is made at the next start")

    def _make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name("Ordermesh local authority")
        certificate = (
            _builder("Ordermesh local authority", subject, key, AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_private(self.key, _pem(key) + certificate.public_bytes(serialization.Encoding.PEM).decode())


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, life: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + life)
    )


def _names(service: str) -> Sequence[x509.GeneralName]:
    address = x509.IPAddress(ipaddress.ip_address(HOST))
    return (x509.DNSName(service), x509.DNSName("localhost"), address)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
