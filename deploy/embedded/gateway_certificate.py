"""The gateway's certificate on one machine: of an authority of its own, made at the first start and kept."""

import datetime as dt
import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.embedded.secrets import write_private

AUTHORITY_LIFE = dt.timedelta(days=3650)
LIFE = dt.timedelta(days=365)
RENEWED_BEFORE_END = dt.timedelta(days=60)
"""A certificate with less than this left is made anew when the gateway starts."""
_SKEW = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class GatewayCertificate:
    """Certificates and keys in a folder; the keys are readable by their owner alone."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate: what callers are told to trust."""
        return self.folder / "authority.pem"

    @property
    def certificate(self) -> Path:
        """The gateway's certificate."""
        return self.folder / "gateway.pem"

    @property
    def key(self) -> Path:
        """The gateway's key."""
        return self.folder / "gateway.key"

    def environment(self) -> dict[str, str]:
        """Return the variables that tell the gateway its files."""
        return {
            "ORDERMESH_GATEWAY_TLS_CERTIFICATE_FILE": str(self.certificate),
            "ORDERMESH_GATEWAY_TLS_KEY_FILE": str(self.key),
        }

    def make(self, now: dt.datetime) -> None:
        """Make what is not there yet, or has not long to live."""
        if not (_lasts(self.authority, now) and self._authority_key.exists()):
            self._make_authority(now)
            self.certificate.unlink(missing_ok=True)
        if not (_lasts(self.certificate, now) and self.key.exists()):
            self._make_certificate(now)

    @property
    def _authority_key(self) -> Path:
        return self.folder / "authority.key"

    def _make_authority(self, now: dt.datetime) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        key, name = ec.generate_private_key(ec.SECP256R1()), _named("Ordermesh gateway authority")
        usage = {"key_cert_sign": True, "crl_sign": True}
        made = (
            _begun(name, name, key, now, AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(**usage), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_private(self._authority_key, _pem(key))
        _write(self.authority, made)

    def _make_certificate(self, now: dt.datetime) -> None:
        issuer = x509.load_pem_x509_certificate(self.authority.read_bytes())
        issuer_key = serialization.load_pem_private_key(self._authority_key.read_bytes(), password=None)
        if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._authority_key} holds no key for ECDSA")
        key = ec.generate_private_key(ec.SECP256R1())
        life = min(LIFE, issuer.not_valid_after_utc - now)
        made = (
            _begun(_named("Ordermesh gateway"), issuer.subject, key, now, life)
            .add_extension(x509.SubjectAlternativeName(_names()), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
            .sign(issuer_key, hashes.SHA256())
        )
        write_private(self.key, _pem(key))
        _write(self.certificate, made)


def _lasts(path: Path, now: dt.datetime) -> bool:
    if not path.exists():
        return False
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc - now > RENEWED_BEFORE_END


def _names() -> list[x509.GeneralName]:
    hosts = dict.fromkeys(["localhost", socket.gethostname()])
    addresses = [x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", "::1")]
    return [*(x509.DNSName(host) for host in hosts if host.isascii()), *addresses]


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(**wanted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _write(path: Path, certificate: x509.Certificate) -> None:
    write_private(path, certificate.public_bytes(serialization.Encoding.PEM).decode())
