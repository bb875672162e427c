"""`ordermesh status`: whether every component does its work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.markup import escape

from ordermesh.system.v1 import component_pb2, system_service_pb2
from services.cli import options, output
from services.cli.address import Where
from services.cli.failure import ExitCode
from services.cli.mesh import ComponentReport, Mesh, run
from services.cli.output import Column
from services.kernel.errors import CodedError

_COLUMNS = (Column("component"), Column("state"), Column("answers in", number=True), Column(""))
_COLOURS = {
    component_pb2.COMPONENT_STATE_SERVING: "green",
    component_pb2.COMPONENT_STATE_NOT_SERVING: "yellow",
    component_pb2.COMPONENT_STATE_UNREACHABLE: "red",
}


def status(json: options.Json = False, address: options.Address = "", ca: options.Ca = None) -> None:
    """Says what is up and what is down; fails when something is down."""
    run(Where(address, ca), lambda mesh: _show(mesh, as_json=json))


async def _show(mesh: Mesh, *, as_json: bool) -> int:
    components, healthy = await _components(mesh)
    if as_json:
        output.print_json({"healthy": healthy, "components": [output.as_json(each) for each in components]})
    else:
        output.show(_COLUMNS, [_row(each) for each in components], "there are no components")
    return ExitCode.DONE if healthy else ExitCode.REFUSED


async def _components(mesh: Mesh) -> tuple[Sequence[component_pb2.Component], bool]:
    try:
        return (await mesh.system.GetHealth(system_service_pb2.GetHealthRequest())).components, True
    except CodedError as error:
        if (report := _report(error.details)) is None:
            raise
        return report.components, False


def _report(details: Iterable[object]) -> component_pb2.ComponentReport | None:
    return next((detail for detail in details if isinstance(detail, ComponentReport)), None)


def _row(component: component_pb2.Component) -> Sequence[str]:
    state = output.word(component_pb2.ComponentState.Name(component.state), "COMPONENT_STATE_")
    took = f"{component.latency.ToNanoseconds() / 1e6:.1f} ms" if component.HasField("latency") else ""
    return escape(component.name), f"[{_COLOURS.get(component.state, 'red')}]{state}[/]", took, escape(component.text)
