"""The operating system's user for what refuses to run as root."""

import fcntl
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.embedded.errors import DeployError
from deploy.embedded.process import Account

NAME = "ordermesh"


def unprivileged_account() -> Account | None:
    """Return the user to run Postgres as: None (oneself) unless run by root, who gets a user `ordermesh`."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        entry = _create()
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def let_through(account: Account, path: Path) -> None:
    """Let `account` pass through every folder above `path`, changing (and telling) only what stands in the way."""
    for folder in reversed(path.resolve().parents):
        if not _may_pass(account, folder):
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
            print(
                f"note: {folder} may now be passed through (not listed), as Postgres must not run as root",
                file=sys.stderr,
            )


def let_read(root: Path) -> None:
    """Let everybody read a folder of programs; needed where the file mode mask hides them from other users."""
    for path in (root, *root.rglob("*")):
        mode = path.stat().st_mode
        wanted = mode | stat.S_IRGRP | stat.S_IROTH
        if path.is_dir() or mode & stat.S_IXUSR:
            wanted |= stat.S_IXGRP | stat.S_IXOTH
        if wanted != mode:
            path.chmod(wanted)


def _create() -> pwd.struct_passwd:
    program = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        message = f"Postgres must not run as root, and there is no useradd to make the user `{NAME}` for it"
        raise DeployError(message)
    with _alone():
        with suppress(KeyError):
            return pwd.getpwnam(NAME)
        subprocess.run(
            [program, "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME], check=True
        )
        return pwd.getpwnam(NAME)


@contextmanager
def _alone() -> Iterator[None]:
    """Let no other process here make the user meanwhile: of two that `useradd` makes at once, one is lost."""
    folder = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _may_pass(account: Account, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
