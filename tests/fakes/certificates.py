"""Certificates of a mesh that a test makes up."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.authority import Authority
from services.mesh.certificate import Certificate, CertificateFiles

SERVER = "server"
ENDED = dt.timedelta(minutes=-1)
"""A life that is over as soon as it begins."""


@dataclass(frozen=True)
class FakeCompany:
    """Services and clients with certificates of one authority, whose files are in a folder of the test."""

    folder: Path

    def service(self, name: str, life: dt.timedelta = dt.timedelta(hours=1)) -> Certificate:
        """Issues to a service, and returns what it shows."""
        authority = Authority(self.folder, life)
        authority.keep([name], renew=True)
        return Certificate(self.files(authority.service(name)))

    def client(self, name: str) -> Certificate:
        """Issues to a client that is no service, and returns what it shows."""
        return Certificate(self.files(Authority(self.folder).issue_client(name, dt.timedelta(hours=1))))

    def files(self, path: Path) -> CertificateFiles:
        """Returns where a certificate is that is in one file with its key."""
        return CertificateFiles(path, path, Authority(self.folder).certificate)
