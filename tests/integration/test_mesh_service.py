"""The main of a service, as a process: start, stop, and every way to fail."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ordermesh.event.v1 import event_log_service_pb2, event_log_service_pb2_grpc
from ordermesh.order.v1 import order_service_pb2_grpc
from ordermesh.order.v1.order_stream_pb2 import StreamOrdersRequest
from ordermesh.type.v1 import stream_pb2
from services.mesh.client import Channel, Channels
from services.mesh.names import Metric
from tests.fixtures import http_clients
from tests.fixtures.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "fakes" / "service_program.py"


@dataclass
class Program:
    """A running program."""

    process: asyncio.subprocess.Process
    channel: Channel
    metrics_port: int

    async def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Sends a signal, and returns the exit code and what was printed on stderr."""
        self.process.send_signal(number)
        return await finished(self.process)


async def start(*arguments: str, **variables: str) -> asyncio.subprocess.Process:
    """Starts the program."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORDERMESH_", "OTEL_"))}
    environment |= {"PYTHONPATH": f"{ROOT}:{ROOT / 'gen' / 'python'}", **variables}
    return await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), *arguments, env=environment, stderr=asyncio.subprocess.PIPE
    )


async def finished(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Waits for the end, and returns the exit code and what was printed on stderr."""
    async with asyncio.timeout(30):
        _, printed = await process.communicate()
    return process.returncode or 0, printed.decode()


@asynccontextmanager
async def program(tmp_path: Path) -> AsyncIterator[Program]:
    """Runs the program until it serves."""
    port, metrics = tmp_path / "port", tmp_path / "metrics"
    process = await start(ORDERMESH_PORT_FILE=str(port), ORDERMESH_METRICS_PORT_FILE=str(metrics))
    channels = Channels()
    try:
        await eventually(lambda: process.returncode is not None or (port.exists() and metrics.exists()), seconds=30)
        assert process.returncode is None
        channel = channels.to(f"127.0.0.1:{port.read_text().strip()}", "ordermesh.event.v1.EventLogService")
        await channel.ready(10)
        yield Program(process, channel, int(metrics.read_text()))
    finally:
        await channels.close()
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_a_service_drains_and_exits_with_0(tmp_path: Path, number: signal.Signals) -> None:
    """Streams hear going_away before the process is gone."""
    async with program(tmp_path) as running:
        orders: Any = order_service_pb2_grpc.OrderServiceStub(running.channel)
        stream = orders.StreamOrders(StreamOrdersRequest(account_id="demo"))
        assert (await stream.read()).HasField("subscribed")
        running.process.send_signal(number)
        assert (await stream.read()).going_away.reason == stream_pb2.GOING_AWAY_REASON_DRAINING
        assert await stream.read() is None
        code, printed = await finished(running.process)
    assert code == 0, printed
    assert [line["event"] for line in map(json.loads, printed.splitlines())] == ["serving", "stopped"]


async def test_a_running_service_is_healthy_and_shows_its_metrics(tmp_path: Path) -> None:
    """Health is SERVING, and the calls it answered are counted at /metrics."""
    async with program(tmp_path) as running:
        health: Any = health_pb2_grpc.HealthStub(running.channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        log: Any = event_log_service_pb2_grpc.EventLogServiceStub(running.channel)
        await log.ReadEvents(event_log_service_pb2.ReadEventsRequest())
        async with http_clients.async_client() as client:
            page = (await client.get(f"http://127.0.0.1:{running.metrics_port}/metrics")).text
        code, _ = await running.end()
    assert f'{Metric.SERVER_CALLS}{{code="OK",method="/ordermesh.event.v1.EventLogService/ReadEvents"}} 1.0' in page
    assert "process_resident_memory_bytes" in page
    assert code == 0


async def test_a_bad_setting_stops_the_start_with_one_line() -> None:
    """Exit code 2, and a line that names the variable, its value and the rule."""
    code, printed = await finished(await start(ORDERMESH_DRAIN_SECONDS="soon"))
    assert code == 2
    assert printed == (
        "program: ORDERMESH_DRAIN_SECONDS='soon': Input should be a valid number, unable to parse string as a number\n"
    )


async def test_a_missing_peer_stops_the_start_with_one_line() -> None:
    """A coded error while starting is told without a traceback."""
    code, printed = await finished(await start("unreachable"))
    assert code == 1
    assert printed.splitlines()[-1] == "program: STORE_UNAVAILABLE: the store does not answer"
    assert "Traceback" not in printed


async def test_an_address_in_use_stops_the_start_with_one_line() -> None:
    """The line names the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, printed = await finished(await start(ORDERMESH_PROGRAM_ADDRESS=address))
        assert code == 1
        assert printed.splitlines()[-1].startswith(f"program: cannot listen on {address}")
        code, printed = await finished(await start(ORDERMESH_METRICS_ADDRESS=address))
        assert code == 1
        assert printed.splitlines()[-1].startswith(f"program: cannot listen on {address}")


async def test_a_fault_while_starting_is_logged_with_its_traceback() -> None:
    """Exit code 1, and a JSON line with the exception."""
    code, printed = await finished(await start("broken"))
    assert code == 1
    assert json.loads(printed.splitlines()[-1])["exception"][0]["exc_type"] == "ZeroDivisionError"


@pytest.mark.parametrize(("mode", "task"), [("dying", "doomed"), ("ending", "short"), ("waiting", "doomed")])
async def test_a_background_task_that_dies_brings_the_service_down(mode: str, task: str) -> None:
    """Loudly: exit code 1, the task named in the log and in the last line, also while the service still starts."""
    code, printed = await finished(await start(mode))
    assert code == 1
    *logged, last = printed.splitlines()
    assert last.startswith(f"program: background task {task} died: ")
    died = [line for line in map(json.loads, logged) if line["event"] == "background task died"]
    assert [line["task"] for line in died] == [task]
