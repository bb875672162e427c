"""How Envoy and the services prove to each other who they are: mutual TLS, by files that Envoy reads again itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway.settings import Certificate

_TYPES = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
OWN = "own"


def transport_socket(certificate: Certificate, secrets: Path, name: str) -> dict[str, Any]:
    """What encrypts the connections to the service `name`, which must have that name in its certificate.

    Args:
        certificate: What the gateway shows and believes.
        secrets: The file of `secrets_document`.
        name: Name of the service.
    """
    own = {"path_config_source": {"path": str(secrets)}, "resource_api_version": "V3"}
    context = {
        "@type": f"{_TYPES}.UpstreamTlsContext",
        "sni": name,
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificate_sds_secret_configs": [{"name": OWN, "sds_config": own}],
            "validation_context": {
                "trusted_ca": _file(certificate.authority),
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": name}}],
            },
        },
    }
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


def secrets_document(certificate: Certificate) -> str:
    """Where the gateway's certificate is, as Envoy reads it: it watches the folder for changes."""
    own = {
        "certificate_chain": _file(certificate.file),
        "private_key": _file(certificate.key),
        "watched_directory": {"path": str(certificate.file.parent)},
    }
    secret = {"@type": f"{_TYPES}.Secret", "name": OWN, "tls_certificate": own}
    return json.dumps({"resources": [secret]}, indent=1) + "\n"


def _file(path: Path) -> dict[str, str]:
    return {"filename": str(path)}
