"""Keys and certificates (X.509, of RFC 5280's form) as every authority on this machine makes them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

AUTHORITY_LIFE = dt.timedelta(days=3650)
SKEW = dt.timedelta(days=1)
"""So much earlier a certificate is good: a clock that steps back must not part who knows each other."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A key, and the certificate that belongs to it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def authority(cls, name: str, now: dt.datetime) -> Self:
        """Make an authority, which issues to others and believes itself."""
        key, subject = ec.generate_private_key(ec.SECP256R1()), _named(name)
        builder = (
            _begun(subject, subject, key, now, now + AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        )
        return cls(key, builder.sign(key, hashes.SHA256()))

    @classmethod
    def read(cls, key: bytes, certificate: bytes) -> Self:
        """Read both from PEM, which may be the same text.

        Raises:
            ValueError: one of them is none, or they do not belong together.
        """
        try:
            read = serialization.load_pem_private_key(key, None)
        except TypeError as error:
            raise ValueError("the key wants a password") from error
        shown = x509.load_pem_x509_certificate(certificate)
        if not isinstance(read, ec.EllipticCurvePrivateKey) or read.public_key() != shown.public_key():
            raise ValueError("the key is not that of the certificate")
        return cls(read, shown)

    def issue(
        self,
        name: str,
        now: dt.datetime,
        life: dt.timedelta,
        names: Sequence[x509.GeneralName],
        purposes: Sequence[x509.ObjectIdentifier],
    ) -> "Pair":
        """Make a pair of this authority, good for `life`, but no longer than the authority is itself."""
        key, end = ec.generate_private_key(ec.SECP256R1()), min(now + life, self.certificate.not_valid_after_utc)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _begun(_named(name), self.certificate.subject, key, now, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(issuer, critical=False)
        )
        return Pair(key, builder.sign(self.key, hashes.SHA256()))

    def end_of(self, path: Path) -> dt.datetime | None:
        """Return until when the pair in a file is good; None when there is none, or none of this authority."""
        try:
            content = path.read_bytes()
            certificate = Pair.read(content, content).certificate
            certificate.verify_directly_issued_by(self.certificate)
        except (OSError, ValueError, TypeError, InvalidSignature):
            return None
        return certificate.not_valid_after_utc

    def key_pem(self) -> str:
        """Return the key in PEM."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def certificate_pem(self) -> str:
        """Return the certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def pem(self) -> str:
        """Return both, for a file that is replaced in one step."""
        return self.key_pem() + self.certificate_pem()


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime, end: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


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
