"""How Envoy and the services prove to each other who they are: mutual TLS, by files that Envoy reads again itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway.settings import Certificate

_TYPES = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
OWN = "own"
AUTHORITY = "authority"


def transport_socket(secrets: Path, name: str) -> dict[str, Any]:
    """What encrypts the connections to the service `name`, which must have that name in its certificate.

    Args:
        secrets: The file of `secrets_document`.
        name: Name of the service.
    """
    source = {"path_config_source": {"path": str(secrets)}, "resource_api_version": "V3"}
    context = {
        "@type": f"{_TYPES}.UpstreamTlsContext",
        "sni": name,
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3"},
            "tls_certificate_sds_secret_configs": [{"name": OWN, "sds_config": source}],
            "combined_validation_context": {
                "default_validation_context": {
                    "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": name}}]
                },
                "validation_context_sds_secret_config": {"name": AUTHORITY, "sds_config": source},
            },
        },
    }
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


def secrets_document(certificate: Certificate) -> str:
    """Where the certificate and the authority are, as Envoy's secret discovery reads it; it watches their folder."""
    watched = {"watched_directory": {"path": str(certificate.file.parent)}}
    own = {"certificate_chain": _file(certificate.file), "private_key": _file(certificate.key), **watched}
    believed = {"trusted_ca": _file(certificate.authority), **watched}
    resources = [
        {"@type": f"{_TYPES}.Secret", "name": OWN, "tls_certificate": own},
        {"@type": f"{_TYPES}.Secret", "name": AUTHORITY, "validation_context": believed},
    ]
    return json.dumps({"resources": resources}, indent=1) + "\n"


def _file(path: Path) -> dict[str, str]:
    return {"filename": str(path)}
