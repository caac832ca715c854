"""The firmware of a virtual machine, asked from inside through its device file. Needs root and /dev/fuse, as `amt sim mei` does."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import AMT, SUFFIX

import amtpy

PASSWORD = "Adm1n!pass"


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the device file `mei0` of a machine in factory mode, and a certificate that its firmware trusts."""
    folder = tmp_path_factory.mktemp("inside")
    device = folder / "mei0"
    command: list[str | Path] = [AMT, "sim", "mei", "--mount", device, "--suffix", SUFFIX, "--persona", "16.0", "--base-address", "127.77.1.1"]
    command += ["--lms", "127.77.1.2", "--certificate", folder / "certificates", "--time-scale", "20"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(1000):
                with contextlib.suppress(amtpy.AmtError):
                    amtpy.LocalMachine(device).status()
                    break
                assert process.poll() is None
                time.sleep(0.02)
            yield folder
        finally:
            process.terminate()


@pytest.fixture
def machine(inside: Path) -> amtpy.LocalMachine:
    return amtpy.LocalMachine(inside / "mei0", route="lme")


def test_status_is_what_info_shows(machine: amtpy.LocalMachine) -> None:
    status = machine.status()
    assert "findings" in status and "16.0" in str(status)
    assert "lme" in repr(machine)


def test_client_control_mode_and_back(machine: amtpy.LocalMachine, tmp_path: Path) -> None:
    steps: list[str] = []
    done = machine.activate("client", journal=tmp_path / "journal.db", admin_password=PASSWORD, progress=steps.append)
    assert (done.control_mode, done.changed, done.admin_password) == ("client", True, PASSWORD) and steps
    assert PASSWORD not in repr(done) and done.firmware.startswith("16.0")
    again = machine.activate("client", journal=tmp_path / "journal.db")
    assert (again.control_mode, again.changed) == ("client", False)
    back = machine.unprovision(journal=tmp_path / "journal.db")
    assert (back.control_mode, back.changed, back.uuid) == ("none", True, done.uuid)
    assert machine.unprovision(journal=tmp_path / "journal.db").changed is False


def test_admin_control_mode_in_a_fleet(inside: Path, machine: amtpy.LocalMachine, tmp_path: Path) -> None:
    certificate = amtpy.Certificate(pem=inside / "certificates" / "provisioning.pem")
    with amtpy.Fleet(tmp_path / "fleet.db") as fleet:
        done = machine.activate("admin", journal=fleet, certificate=certificate, suffix=SUFFIX)
        assert (done.control_mode, len(done.admin_password) >= 8) == ("admin", True)
    # Without the journal the password has to be given.
    with pytest.raises(amtpy.CredentialError) as refused:
        machine.unprovision(journal=tmp_path / "other.db")
    assert refused.value.name == "ADMIN_PASSWORD_UNKNOWN"
    back = machine.unprovision(journal=tmp_path / "other.db", known_admin_passwords=[done.admin_password])
    assert (back.control_mode, back.changed) == ("none", True)


def test_admin_control_mode_with_a_key_that_is_elsewhere(inside: Path, machine: amtpy.LocalMachine, tmp_path: Path) -> None:
    pem = inside / "certificates" / "provisioning.pem"
    asked: list[int] = []

    def sign(index: int, data: bytes) -> bytes:
        asked.append(index)
        command = ["openssl", "dgst", "-sha256", "-sign", str(pem)]
        return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout

    journal = tmp_path / "journal.db"
    done = machine.activate("admin", journal=journal, chains=amtpy.Chain(pem), sign=sign, suffix=SUFFIX)
    assert (done.control_mode, done.changed) == ("admin", True) and set(asked) == {0}
    assert machine.unprovision(journal=journal).control_mode == "none"
    with pytest.raises(amtpy.ArgumentError, match="not both"):
        machine.activate("admin", journal=journal, certificate=amtpy.Certificate(pem=pem), chains=amtpy.Chain(pem), sign=sign)


def test_mistakes_are_told(machine: amtpy.LocalMachine, tmp_path: Path) -> None:
    with pytest.raises(amtpy.ArgumentError, match="certificate"):
        machine.activate("admin", journal=tmp_path / "journal.db")
    with pytest.raises(amtpy.ArgumentError, match="mode"):
        machine.activate("user", journal=tmp_path / "journal.db")  # type: ignore[arg-type]
    with pytest.raises(amtpy.ArgumentError, match="extent"):
        machine.unprovision(journal=tmp_path / "journal.db", extent="some")  # type: ignore[arg-type]
    with pytest.raises(amtpy.ArgumentError, match="lms"):
        amtpy.LocalMachine(lms="localhost", device=tmp_path).status()
    with pytest.raises(amtpy.AmtError) as refused:
        amtpy.LocalMachine(tmp_path / "none").status()
    assert refused.value.name == "MEI_ABSENT" and refused.value.hint
