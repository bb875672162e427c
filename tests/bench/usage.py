"""What a part of a mesh costs: processor time, which tells more than wall time on a shared machine, and memory."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from deploy.embedded.mesh import Mesh


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used.

    Attributes:
        pid: Which process.
        processor_seconds: Processor time since it began.
        resident_mib: Resident memory now, in MiB.
    """

    pid: int
    processor_seconds: float
    resident_mib: float


def usage_of(mesh: Mesh, part: str) -> Usage:
    """Returns what the process of a part has used.

    Raises:
        LookupError: No process runs.
    """
    process = mesh.supervisor.runners[part].process
    if process is None:
        raise LookupError(f"no process of {part} runs")
    seen = psutil.Process(process.pid)
    with seen.oneshot():
        times, memory = seen.cpu_times(), seen.memory_info()
    return Usage(process.pid, times.user + times.system, memory.rss / 2**20)
