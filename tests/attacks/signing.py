"""The key of IdentityService: who has the folder of the mesh and its database can sign anything.

Tests do, so that only what they change in a token is wrong with it.
"""

from __future__ import annotations

import base64
from typing import Final

import asyncpg
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.embedded.mesh import Mesh
from services.mesh.access.tokens import TYPE
from services.mesh.vault import Vault
from tests.fixtures.bad_tokens import Tokens

_KEYS: Final = "select key_id, sealed from identity.signing_key order by active_from limit 1"


async def signed_as(mesh: Mesh, token: str) -> Tokens:
    """Returns what makes tokens by the key of IdentityService, with what a good one says."""
    connection = await asyncpg.connect(mesh.postgres_url)
    try:
        [(key_id, sealed)] = await connection.fetch(_KEYS)
    finally:
        await connection.close()
    secret = base64.b64decode((mesh.local.directory / "identity" / "secrets.key").read_text(encoding="ascii"))
    private = serialization.load_pem_private_key(
        Vault(secret).open(sealed, "signing key", key_id).encode(), password=None
    )
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return Tokens(private, {"kid": key_id, "typ": TYPE}, jwt.decode(token, options={"verify_signature": False}))
