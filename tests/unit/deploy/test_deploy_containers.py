"""The mesh in containers: which part is given which certificate."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from deploy.containers.certificates import AUTHORITY, CERTIFICATE, COMPLETE, HandedOut, run
from deploy.embedded.certificates import NAMES, Certificates
from tests.fixtures.composed import Composed


@pytest.fixture
def handed_out(tmp_path: Path) -> HandedOut:
    """An authority that has handed out to every part."""
    certificates = Certificates.at(tmp_path / "authority")
    certificates.keep()
    result = HandedOut(certificates, tmp_path / "parts")
    result.hand_out()
    return result


def test_each_part_has_its_own_certificate_and_nobody_elses(handed_out: HandedOut) -> None:
    """A folder holds one key, that of its part, and the certificate of the authority, whose key stays where it is."""
    authority = handed_out.certificates.authority
    assert (handed_out.folder / COMPLETE).exists()
    assert {path.name for path in handed_out.folder.iterdir()} == {*NAMES, COMPLETE}
    for name in NAMES:
        folder = handed_out.folder / name
        assert {path.name for path in folder.iterdir()} == {CERTIFICATE, AUTHORITY}
        assert (folder / CERTIFICATE).read_bytes() == authority.service(name).read_bytes()
        assert (folder / AUTHORITY).read_bytes() == authority.certificate.read_bytes()
        assert stat.S_IMODE((folder / CERTIFICATE).stat().st_mode) == 0o600


def test_a_certificate_that_was_issued_anew_is_handed_out_and_others_stay(handed_out: HandedOut) -> None:
    """What is as it was is not written again, so that nobody reads it again."""
    authority, folder = handed_out.certificates.authority, handed_out.folder
    before = {name: (folder / name / CERTIFICATE).stat().st_ino for name in NAMES}
    authority.keep(["risk"], renew=True)
    handed_out.hand_out()
    assert (folder / "risk" / CERTIFICATE).read_bytes() == authority.service("risk").read_bytes()
    changed = {name for name in NAMES if (folder / name / CERTIFICATE).stat().st_ino != before[name]}
    assert changed == {"risk"}


class Stuck(HandedOut):
    """Fails as nobody expects, and has looked before whether it counts as done."""

    def hand_out(self) -> None:
        assert not (self.folder / COMPLETE).exists()
        raise KeyError("stuck")


async def test_who_cannot_hand_out_ends_and_says_why(handed_out: HandedOut) -> None:
    """What it handed out in an earlier life does not count as done: certificates may have ended since."""
    with pytest.raises(KeyError, match="stuck"):
        await run(Stuck(handed_out.certificates, handed_out.folder))


def test_every_container_sees_its_own_folder_alone(tmp_path: Path) -> None:
    """In the compose file: each part that proves who it is, and only the authority sees more than its own."""
    composed = Composed(tmp_path, {}, {})
    assert set(composed.services) == {"authority", *NAMES}
    tls = tmp_path / "volumes" / "tls"
    for name in NAMES:
        assert composed.folder(name, "/tls") == tls / name
        assert "authority" in composed.services[name]["depends_on"]
        assert all("authority" not in str(each) for each in composed.services[name]["volumes"])
    assert composed.folder("authority", "/parts") == tls
