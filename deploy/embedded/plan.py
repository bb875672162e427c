"""What runs on one machine, and at which ports: the tables everything else here follows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from deploy.embedded.errors import DeployError, PortInUseError
from deploy.embedded.ports import HOST, holder, is_free, unused_port

DEFAULT_BASE_PORT = 8080
_PORTS_TOLD = 3


@dataclass(frozen=True, slots=True)
class Service:
    """A Python service: run as `python -m <module>`, found at `ORDERMESH_<NAME>_ADDRESS`.

    What it `needs` serves before it starts. What it `uses` it waits for by itself, so both start beside each other; it
    stops before either.
    """

    name: str
    title: str
    module: str
    needs: tuple[str, ...]
    uses: tuple[str, ...] = ()


STORES = ("postgres", "redis")
SERVICES = (
    Service("marketdata", "MarketDataService", "services.marketdata", (*STORES, "engine")),
    Service("portfolio", "PortfolioService", "services.portfolio", STORES, uses=("marketdata",)),
    Service("risk", "RiskService", "services.risk", STORES, uses=("marketdata", "portfolio")),
    Service("broker", "BrokerService", "services.broker", (*STORES, "engine"), uses=("marketdata",)),
    Service("order", "OrderService", "services.order", STORES, uses=("marketdata", "risk", "broker")),
    Service("system", "SystemService", "services.system", STORES),
    Service("market", "Simulated market", "services.market", ("engine",), uses=("marketdata",)),
)
NAMES = ("postgres", "redis", "engine", *(service.name for service in SERVICES), "gateway")

# Each port as its distance from the base port.
OFFSETS: Mapping[str, int] = MappingProxyType(
    {
        "gateway": 0,
        "gateway_admin": 1,
        "postgres": 2,
        "redis": 3,
        "engine": 4,
        **{service.name: 10 + index for index, service in enumerate(SERVICES)},
        **{f"{service.name}_metrics": 30 + index for index, service in enumerate(SERVICES)},
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
        return {f"ORDERMESH_{name.upper()}_ADDRESS": self.address(name) for name in told}

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


def with_needs(names: Iterable[str]) -> tuple[str, ...]:
    """Return the parts `names` and everything they need, in the order of the table.

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
    return tuple(name for name in NAMES if name in wanted)


def _listed(numbers: Mapping[str, int], parts: frozenset[str]) -> dict[str, int]:
    """Return the ports of `parts`, those for metrics and administration included."""
    return {
        name: number
        for name, number in numbers.items()
        if name.removesuffix("_metrics").removesuffix("_admin") in parts
    }
