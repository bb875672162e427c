"""Which calls gRPC repeats by itself when a peer does not answer."""

from __future__ import annotations

import json
from collections.abc import Iterable

from google.protobuf.descriptor_pb2 import MethodOptions

from services.mesh.descriptors import service_descriptor


def service_config(services: Iterable[str]) -> str:
    """Returns the service config that retries those methods whose `idempotency_level` says that they may be."""
    methods = [
        {"service": service, "method": method.name}
        for service in services
        for method in service_descriptor(service).methods
        if method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN
        and not (method.client_streaming or method.server_streaming)
    ]
    retry = {
        "maxAttempts": 4,
        "initialBackoff": "0.05s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": methods, "retryPolicy": retry}]} if methods else {})
