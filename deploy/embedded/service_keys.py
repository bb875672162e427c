"""Keys that services prove with who they are: one for each, readable by its owner, and a file with all public ones."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.embedded.secrets import write_private

ALGORITHM = "ES256"


@dataclass(frozen=True, slots=True)
class ServiceKeys:
    """The keys of services, by their names, in a folder; made once and kept."""

    folder: Path

    @property
    def public(self) -> Path:
        """The file with the public keys: a JSON Web Key Set (RFC 7517) whose ids are the names."""
        return self.folder / "services.json"

    def private(self, name: str) -> Path:
        """The file with the key of a service, in PEM."""
        return self.folder / f"{name}.key"

    def make(self, names: Iterable[str]) -> None:
        """Make the keys that are not there yet, and tell the public ones of exactly these services."""
        self.folder.mkdir(parents=True, exist_ok=True)
        told = json.dumps({"keys": [self._public_of(name) for name in sorted(set(names))]}, indent=1)
        if not self.public.exists() or self.public.read_text(encoding="utf-8") != told:
            write_private(self.public, told)

    def environment(self, name: str) -> dict[str, str]:
        """Return the variables that tell a service its key, and those of the others."""
        return {
            "ORDERMESH_SERVICE_KEYS_FILE": str(self.public),
            f"ORDERMESH_{name.upper()}_SERVICE_KEY_FILE": str(self.private(name)),
        }

    def _public_of(self, name: str) -> dict[str, str]:
        path = self.private(name)
        if not path.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            text = made.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_private(path, text.decode())
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{path} holds no key for {ALGORITHM}")
        return {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), "kid": name, "alg": ALGORITHM}
