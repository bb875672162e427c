"""Finds the descriptor of a service, loading its file if nobody has: stubs import only the messages that they use."""

from __future__ import annotations

import importlib
import re

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def service_descriptor(service: str) -> ServiceDescriptor:
    """Returns the descriptor of a service by its full name, such as `ordermesh.order.v1.OrderService`.

    Its file is looked for where the contracts' layout has it: `ordermesh/order/v1/order_service.proto`.

    Raises:
        LookupError: There is no such service.
    """
    pool = descriptor_pool.Default()
    try:
        return pool.FindServiceByName(service)
    except KeyError:
        package, _, name = service.rpartition(".")
        module = f"{package}.{_WORD.sub('_', name).lower()}_pb2"
    try:
        importlib.import_module(module)
        return pool.FindServiceByName(service)
    except (ImportError, KeyError):
        raise LookupError(f"there is no service {service} in {module}") from None
