"""What runs on one machine, and at which ports: the tables everything else here follows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from deploy.embedded.errors import DeployError, PortInUseError
from deploy.embedded.ports import HOST, holder, is_free, unused_port

DEFAULT_BASE_PORT = 8080
MOST_SHARDS = 8
_PORTS_TOLD = 3


@dataclass(frozen=True, slots=True)
class Service:
    """A Python service: run as `python -m <module>`, found at `ORDERMESH_<NAME>_ADDRESS`.

    What it `needs` serves before it starts. What it `uses` it waits for by itself, so both start beside each other; it
    stops before either. All use IdentityService: without its keys nobody is let in.
    """

    name: str
    title: str
    module: str
    needs: tuple[str, ...]
    uses: tuple[str, ...] = ()


STORES = ("postgres", "redis")
ORDER = Service("order", "OrderService", "services.order", STORES, uses=("identity", "marketdata", "risk", "broker"))
SERVICES = (
    Service("marketdata", "MarketDataService", "services.marketdata", (*STORES, "engine"), uses=("identity",)),
    Service("portfolio", "PortfolioService", "services.portfolio", STORES, uses=("identity", "marketdata")),
    Service("risk", "RiskService", "services.risk", STORES, uses=("identity", "marketdata", "portfolio")),
    Service("broker", "BrokerService", "services.broker", (*STORES, "engine"), uses=("identity", "marketdata")),
    ORDER,
    Service("system", "SystemService", "services.system", STORES, uses=("identity",)),
    Service("market", "Simulated market", "services.market", ("engine",), uses=("marketdata",)),
    Service("identity", "IdentityService", "services.identity", ("postgres",)),
)
NAMES = ("postgres", "redis", "engine", *(service.name for service in SERVICES), "gateway")
"""What there is to ask for. `order` stands for all shards of OrderService: the further ones are `order-1` and so on."""


def order_shards(count: int) -> tuple[str, ...]:
    """Return the parts that are the shards of OrderService, in their order."""
    return ("order", *(f"order-{shard}" for shard in range(1, count)))


def services(shards: int = 1) -> tuple[Service, ...]:
    """Return the services, each shard of OrderService as one of its own."""
    further = [
        replace(ORDER, name=name, title=f"{ORDER.title}, shard {shard}")
        for shard, name in enumerate(order_shards(shards))
        if shard
    ]
    at = SERVICES.index(ORDER) + 1
    return (*SERVICES[:at], *further, *SERVICES[at:])


# Each port as its distance from the base port.
OFFSETS: Mapping[str, int] = MappingProxyType(
    {
        "gateway": 0,
        "gateway_admin": 1,
        "postgres": 2,
        "redis": 3,
        "engine": 4,
        "gateway_tls": 7,
        **{service.name: 10 + index for index, service in enumerate(SERVICES)},
        **{f"{service.name}_metrics": 30 + index for index, service in enumerate(SERVICES)},
        **{name: 50 + shard for shard, name in enumerate(order_shards(MOST_SHARDS)) if shard},
        **{f"{name}_metrics": 70 + shard for shard, name in enumerate(order_shards(MOST_SHARDS)) if shard},
    }
)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each part listens, all on the loopback interface."""

    numbers: Mapping[str, int]

    @classmethod
    def from_base(cls, base: int) -> "Ports":
        """Return the ports of a mesh whose gateway listens at `base`."""
        return cls({name: base + offset for name, offset in OFFSETS.items()})

    @classmethod
    def unused(cls) -> "Ports":
        """Return ports that nobody uses, different each time."""
        return cls({name: unused_port() for name in OFFSETS})

    def address(self, name: str) -> str:
        """Return `host:port` of a part."""
        return f"{HOST}:{self.numbers[name]}"

    def environment(self, names: Iterable[str]) -> dict[str, str]:
        """Return the variables that tell every process where the parts `names` are."""
        told = _listed(self.numbers, frozenset(names) - {"postgres", "redis"})
        shards = [name for name in order_shards(MOST_SHARDS) if name in told]
        if len(shards) == 1:
            return {_variable(name): self.address(name) for name in told}
        lists = {
            "ORDERMESH_ORDER_SHARD_ADDRESSES": ",".join(map(self.address, shards)),
            "ORDERMESH_ORDER_SHARD_METRICS_ADDRESSES": ",".join(self.address(f"{name}_metrics") for name in shards),
        }
        return {_variable(name): self.address(name) for name in told if not name.startswith("order-")} | lists

    def environment_of(self, name: str) -> dict[str, str]:
        """Return the variables that tell a process that it is a further shard of OrderService; none for other parts."""
        if not name.startswith("order-"):
            return {}
        return {
            "ORDERMESH_ORDER_ADDRESS": self.address(name),
            "ORDERMESH_ORDER_METRICS_ADDRESS": self.address(f"{name}_metrics"),
            "ORDERMESH_ORDER_SHARD": name.removeprefix("order-"),
        }

    def require_free(self, names: Iterable[str], how_to_move: str) -> None:
        """Check that every port of the parts `names` can be used.

        Raises:
            PortInUseError: naming the first taken ports, who holds them, how many more there are, and how to move.
        """
        taken = [
            f"port {number} ({name}) is in use by {holder(number)}"
            for name, number in _listed(self.numbers, frozenset(names)).items()
            if not is_free(number)
        ]
        if taken:
            others = f"; and {len(taken) - _PORTS_TOLD} more" if len(taken) > _PORTS_TOLD else ""
            raise PortInUseError("; ".join(taken[:_PORTS_TOLD]) + f"{others}. {how_to_move}")


def with_needs(names: Iterable[str], shards: int = 1) -> tuple[str, ...]:
    """Return the parts `names` and everything they need, in the order of the table; `order` is all its shards.

    Raises:
        DeployError: a name is not that of a part.
    """
    needs = {service.name: service.needs + service.uses for service in SERVICES}
    wanted: set[str] = set()
    waiting = list(names)
    if unknown := sorted(set(waiting) - set(NAMES)):
        raise DeployError(f"no such part: {', '.join(unknown)} (there are {', '.join(NAMES)})")
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += needs.get(name, ())
    parts = (order_shards(shards) if name == "order" else (name,) for name in NAMES if name in wanted)
    return tuple(part for name in parts for part in name)


def _listed(numbers: Mapping[str, int], parts: frozenset[str]) -> dict[str, int]:
    """Return the ports of `parts`, those for metrics, administration and TLS included."""
    return {
        name: number
        for name, number in numbers.items()
        if name.removesuffix("_metrics").removesuffix("_admin").removesuffix("_tls") in parts
    }


def _variable(name: str) -> str:
    return f"ORDERMESH_{name.upper()}_ADDRESS"
