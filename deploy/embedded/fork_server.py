"""Starts Python programs by forking a process that has imported what they use.

A service takes more than a second of a processor to import what it is made of; who starts many of them, as tests do,
does it once. A fork server is this file, run as a process of its own. It imports the programs, starts no thread and
opens no connection, and on each request forks a child, which becomes the program: a process of its own in every way,
with its own session, environment, files and end. Variables that are read before a program's own code come too late for
it: `serves` tells of those, and whoever asks starts the program by itself then.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from deploy.embedded.errors import DeployError
from deploy.embedded.limits import raise_file_limit

_READ_EARLY: Final = (
    *("LD_", "GLIBC_", "MALLOC_", "LANG", "LC_", "TZ"),
    *("PYTHON", "GRPC_", "PROTOCOL_BUFFERS_", "OTEL_", "OPENSSL_", "SSL_"),
)
"""How the names of variables begin that the loader, the C library, the interpreter and libraries read before a
program's own code: the encoding of files and the time zone among what is settled by then."""
_MOST_BYTES: Final = 1 << 20
_STANDARD_FILES: Final = 3
_SET_PARENT_DEATH_SIGNAL: Final = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class ForkServer:
    """The side of who wants programs started."""

    def __init__(self, modules: Sequence[str], directory: Path, environment: Mapping[str, str]) -> None:
        """Start the process in a folder, with some variables more; it imports `modules`.

        Args:
            modules: Packages that can be run, and what they import only when they run.
            directory: The folder.
            environment: The variables.
        """
        self._environment = {**os.environ, **environment}
        self._lock = threading.Lock()
        self._ready = False
        self._asked, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        raise_file_limit()
        with asked:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.embedded.fork_server", str(asked.fileno()), *modules],
                stdin=subprocess.DEVNULL,
                cwd=directory,
                env=self._environment,
                pass_fds=(asked.fileno(),),
                # Nothing that is meant for who started it, such as a Ctrl-C at the terminal, reaches it.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def serves(self, environment: Mapping[str, str]) -> bool:
        """Tell whether a program with these variables would find itself as a fresh interpreter makes it."""
        return _read_early(self._environment) == _read_early(environment)

    def wait_until_ready(self) -> None:
        """Wait until the modules are imported.

        Raises:
            DeployError: the process has ended.
        """
        with self._lock:
            if not self._ready:
                self._answer()
                self._ready = True

    def start(
        self,
        arguments: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        files: Sequence[int],
        death_signal: signal.Signals,
    ) -> "Forked":
        """Start a program as `python -m` does with `arguments`, the module first.

        Args:
            arguments: The module, and what it is told.
            directory: Where it works.
            environment: All its variables.
            files: Its standard input, output and error.
            death_signal: What it is sent when the fork server ends, as it does with who started it.

        Raises:
            DeployError: the fork server has ended.
        """
        self.wait_until_ready()
        job = {
            "arguments": list(arguments),
            "directory": str(directory),
            "environment": dict(environment),
            "death_signal": int(death_signal),
        }
        return Forked(self, self._ask(job, files)["pid"])

    def end_of(self, pid: int) -> int:
        """Return the exit code of a child that has ended (negative: the signal that ended it), and let go of its id."""
        return int(self._ask({"reap": pid})["code"])

    def close(self) -> None:
        """End the process; the programs have ended before."""
        self._asked.close()
        self._process.wait()

    def _ask(self, request: Mapping[str, Any], files: Sequence[int] = ()) -> dict[str, Any]:
        with self._lock:
            try:
                socket.send_fds(self._asked, [json.dumps(request).encode()], files)
            except OSError as error:
                raise DeployError(f"the fork server does not listen: {error}") from error
            return self._answer()

    def _answer(self) -> dict[str, Any]:
        answer = self._asked.recv(_MOST_BYTES)
        if not answer:
            raise DeployError("the fork server has ended; its error output says why")
        told: dict[str, Any] = json.loads(answer)
        return told


class Forked:
    """A program that a fork server has started; what `subprocess.Popen` tells of its own."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server

    def wait(self) -> int:
        """Return the exit code of the process, which has ended."""
        if self.returncode is None:
            self.returncode = self._server.end_of(self.pid)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def main(asked: socket.socket, modules: Sequence[str]) -> NoReturn:
    """Import the modules, and serve until who asks has ended; a child goes on from here as its program."""
    child = _Child()
    # What is registered first is called last: after all that the modules register.
    atexit.register(child.end)
    for name in modules:
        if hasattr(importlib.import_module(name), "__path__"):
            importlib.import_module(f"{name}.__main__")
            # Run by its name, a module is loaded once more; what it imports is there.
            del sys.modules[f"{name}.__main__"]
    # What is loaded stays: nobody has to look at it again, so that parent and children share its memory.
    gc.freeze()
    if (threads := len(list(Path("/proc/self/task").iterdir()))) != 1:
        sys.exit(f"{threads} threads run after the imports: a fork would take only one of them along")
    job = _serve(asked)
    if job is None:
        sys.exit(0)
    child.run(job)
    sys.exit(0)


class _Child:
    """A process that was forked, as a program."""

    def __init__(self) -> None:
        self._code: int | None = None

    def run(self, arguments: Sequence[str]) -> None:
        """Run the program."""
        sys.argv[1:] = arguments[1:]
        try:
            runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            self._code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else None
            raise
        self._code = 0

    def end(self) -> None:
        """End the process when all else is done that an interpreter does at its end, but for freeing its memory.

        It would do that object by object, and for each the kernel would first copy a page that this process shares with
        the fork server: a tenth of a second of a processor, more than many commands take.
        """
        # Without a code it failed, or it is the fork server: it ends as any other.
        if self._code is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self._code & 0xFF)


def _serve(asked: socket.socket) -> list[str] | None:
    """Answer requests; return None at their end and, in a child, what to run."""
    asked.send(b"{}")
    # prctl is a function of the C library that no module has.
    library, parent = ctypes.CDLL(None, use_errno=True), os.getpid()
    while True:
        message, files = _heard(asked)
        if not message:
            return None
        request = json.loads(message)
        if "reap" in request:
            _, status = os.waitpid(request["reap"], 0)
            asked.send(json.dumps({"code": os.waitstatus_to_exitcode(status)}).encode())
            continue
        if (pid := os.fork()) == 0:
            asked.close()
            library.prctl(_SET_PARENT_DEATH_SIGNAL, request["death_signal"])
            if os.getppid() != parent:
                sys.exit("the fork server has ended")
            _become(request, files)
            arguments: list[str] = request["arguments"]
            return arguments
        for file in files:
            os.close(file)
        asked.send(json.dumps({"pid": pid}).encode())


def _heard(asked: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next request and the files that came along; an empty one when there are no more."""
    try:
        message, files, _, _ = socket.recv_fds(asked, _MOST_BYTES, _STANDARD_FILES)
    except ConnectionResetError:
        # Who asked has gone, and left an answer unread.
        return b"", []
    return message, files


def _become(job: Mapping[str, Any], files: Sequence[int]) -> None:
    """Take on the session, files, folder and variables of a program."""
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    os.chdir(job["directory"])
    os.environ.clear()
    os.environ.update(job["environment"])


def _read_early(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_EARLY)}


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
