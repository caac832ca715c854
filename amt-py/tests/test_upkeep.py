"""A profile applied, the password changed, the setup taken back: each stores its record before anything depends on it."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

import amtpy
from amtpy import aio
from amtpy.sim import VirtualMachines
from conftest import ADMIN_PASSWORD, administrator

PROFILE = {"format": 1, "name": "desk", "general": {"ping": False}}


def test_how_a_machine_stands(machines: VirtualMachines) -> None:
    with administrator(machines) as pc:
        status = pc.status()
    assert (status["id"], status["control_mode"], status["provisioning_state"]) == (machines[0].uuid, "admin", 2)
    with (
        amtpy.Machine(machines[0].address, user="operator", password=ADMIN_PASSWORD, insecure_any=True) as other,
        pytest.raises(amtpy.ArgumentError, match="administrator"),
    ):
        other.status()
    with pytest.raises(amtpy.ArgumentError, match="closed"):
        pc.status()


def test_everything_that_is_wrong_with_a_profile_is_told(tmp_path: Path) -> None:
    assert amtpy.check_profile(PROFILE) == []
    file = tmp_path / "desk.toml"
    file.write_text('format = 1\nname = "desk"\ncolour = 3\n[general]\nping = "yes"\n')
    assert {finding.field for finding in amtpy.check_profile(file, firmware="16.1")} == {"colour", "general.ping"}
    with pytest.raises(amtpy.AmtError, match="desk.toml"):
        amtpy.check_profile(tmp_path / "no" / "desk.toml")


def test_a_profile_is_compared_and_applied(machines: VirtualMachines, tmp_path: Path) -> None:
    store = tmp_path / "pc.record"
    with administrator(machines) as pc:
        would = pc.configure(PROFILE, store=store, dry_run=True)
        assert [change["field"] for change in would["changes"]] == ["general.ping"]
        assert would["writes"] == 0 and not store.exists()
        assert pc.get("AMT_GeneralSettings")["PingResponseEnabled"] == "true"

        done = pc.configure(PROFILE, store=store)
        assert (done["id"], done["unsupported"]) == (machines[0].uuid, []) and done["writes"] >= 1
        assert store.stat().st_mode & 0o777 == 0o600 or os.name == "nt"
        assert pc.get("AMT_GeneralSettings")["PingResponseEnabled"] == "false"
        assert pc.configure(PROFILE, store=store)["changes"] == []

        file = tmp_path / "desk.json"
        file.write_text('{"format": 1, "name": "desk", "general": {"ping": "yes"}}')
        with pytest.raises(amtpy.AmtError, match=r"desk\.json: general\.ping"):
            pc.configure(file, store=store)


def test_what_cannot_be_stored_is_not_written(machines: VirtualMachines, tmp_path: Path) -> None:
    def full(record: bytes) -> None:
        raise OSError(28, "disk full")

    with administrator(machines) as pc:
        with pytest.raises(OSError, match="disk full"):
            pc.configure(PROFILE, store=full)
        with pytest.raises(OSError, match="disk full"):
            pc.rotate(store=full)
        with pytest.raises(FileNotFoundError):
            pc.unprovision("full", store=tmp_path / "no" / "record")
        assert pc.get("AMT_GeneralSettings")["PingResponseEnabled"] == "true"
        assert pc.status()["provisioning_state"] == 2
    assert machines[0].truth()["writes"] == 0


def test_a_new_password_is_stored_before_it_is_sent(machines: VirtualMachines, tmp_path: Path) -> None:
    class BrokenOff(Exception):
        pass

    records: list[bytes] = []

    def first(record: bytes) -> None:
        records.append(record)
        raise BrokenOff

    store = tmp_path / "pc.record"
    with administrator(machines) as pc:
        with pytest.raises(BrokenOff):
            pc.rotate(store=first)
        fresh, old = amtpy.record_passwords(records[0])
        assert old == ADMIN_PASSWORD and machines[0].truth()["writes"] == 0
        # Gone on with, it is the same new password.
        assert pc.rotate(store=records.append, record=records[0])["changed"] is True
        assert amtpy.record_passwords(records[-1]) == [fresh]
        assert len(amtpy.record_passwords(records[1])) == 2
    with administrator(machines, fresh) as pc:
        assert pc.rotate(store=store, password="P@ssw0rd-2")["changed"] is True
        assert amtpy.record_passwords(store.read_bytes()) == ["P@ssw0rd-2"]
        # From the file: this object's own password is out of date.
        assert pc.rotate(store=store, password="P@ssw0rd-3")["changed"] is True
        with pytest.raises(amtpy.AmtError) as weak:
            pc.rotate(store=store, password="short")
        assert weak.value.name == "PLAN_INVALID"
    with administrator(machines, "P@ssw0rd-3") as pc:
        assert pc.power_state()["state"] == "on"
    with pytest.raises(amtpy.AmtError):
        amtpy.record_passwords(b"{}")


def test_the_certificate_is_renewed(machines: VirtualMachines, tmp_path: Path) -> None:
    store, authority = tmp_path / "pc.renewal", (tmp_path / "ca.pem", tmp_path / "ca.key")
    before = machines[0].truth()["certificate_sha256"]
    with administrator(machines) as pc:
        with pytest.raises(amtpy.ArgumentError, match="at_percent"):
            pc.renew(authority=authority, store=store, at_percent=0)
        assert pc.renew(authority=authority, store=store, at_percent=100)["changed"] is False
        done = pc.renew(authority=authority, store=store)
    assert done["changed"] is True and done["certificate_sha256"] != before and not store.exists()
    assert machines[0].truth()["certificate_sha256"] == done["certificate_sha256"]
    with amtpy.Machine(machines[0].address, password=ADMIN_PASSWORD, pin=done["certificate_sha256"]) as pc:
        assert pc.power_state()["state"] == "on"


def test_the_setup_is_taken_back(machines: VirtualMachines, tmp_path: Path) -> None:
    store = tmp_path / "pc.record"
    with administrator(machines) as pc:
        would = pc.unprovision("full", store=store, dry_run=True)
        assert (would["before"], would["changed"]) == ("admin", False) and would["consequences"]
        assert not store.exists()
        with pytest.raises(amtpy.ArgumentError, match="extent"):
            pc.unprovision("half", store=store)  # type: ignore[arg-type]
        done = pc.unprovision("full", store=store)
        assert (done["changed"], done["extent"]) == (True, "full") and done["remains"]
        assert machines[0].truth()["state"] == "pre"
        assert pc.unprovision("full", store=store)["before"] == "unprovisioned"


def test_the_same_can_be_awaited(machines: VirtualMachines, tmp_path: Path) -> None:
    records: list[bytes] = []

    async def keep(record: bytes) -> None:
        await asyncio.sleep(0)
        records.append(record)

    async def story() -> list[object]:
        async with aio.Machine(machines[0].address, password=ADMIN_PASSWORD, insecure_any=True) as pc:
            applied = await pc.configure(PROFILE, store=keep)
            stored = len(records)
            rotated = await pc.rotate(store=keep)
            return [applied["changes"][0]["field"], stored > 0, rotated["changed"]]

    assert asyncio.run(story()) == ["general.ping", True, True]
    [password] = amtpy.record_passwords(records[-1])

    async def rest() -> list[object]:
        async with aio.Machine(machines[0].address, password=password, insecure_any=True) as pc:
            status = await pc.status()
            done = await pc.unprovision("partial", store=tmp_path / "pc.record")
            return [status["control_mode"], done["changed"], done["extent"]]

    assert asyncio.run(rest()) == ["admin", True, "partial"]


def test_a_certificate_for_the_network_needs_an_authority(machines: VirtualMachines, tmp_path: Path) -> None:
    profile = {"format": 1, "name": "lan", "wired": {"ieee8021x": {"protocol": "tls"}}}
    authority = (tmp_path / "ca.pem", tmp_path / "ca.key")
    with administrator(machines) as pc:
        with pytest.raises(amtpy.AmtError, match="no certificate authority") as refused:
            pc.configure(profile, store=tmp_path / "record")
        assert refused.value.name == "CA_UNAVAILABLE" and "authority" in refused.value.hint
        assert not machines[0].truth()["keys"][1:], "nothing was made for a certificate that nobody signs"
        done = pc.configure(profile, store=tmp_path / "record", authority=authority)
        assert [change["field"] for change in done["changes"]][:1] == ["wired.ieee8021x"]
        assert pc.configure(profile, store=tmp_path / "record", authority=authority)["writes"] == 0


def console_certificate(folder: Path, usages: str) -> tuple[amtpy.Certificate, Path]:
    """A certificate as a console has it, and the root that issued it."""
    root, leaf = folder / "root", folder / "console"
    openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]
    subject = ["-subj", "/CN=Consoles", "-keyout", f"{root}.key", "-out", f"{root}.pem"]
    subprocess.run([*openssl, *subject], check=True, capture_output=True)
    signed = ["-subj", "/CN=console.example.com", "-keyout", f"{leaf}.key", "-out", f"{leaf}.pem", "-CA", f"{root}.pem"]
    extensions = ["-addext", "basicConstraints=CA:FALSE", "-addext", f"extendedKeyUsage={usages}"]
    subprocess.run([*openssl, *signed, "-CAkey", f"{root}.key", *extensions], check=True, capture_output=True)
    return amtpy.Certificate(pem=f"{leaf}.pem", key=f"{leaf}.key"), Path(f"{root}.pem")


def test_a_machine_with_mutual_tls_is_shown_a_certificate(tmp_path: Path) -> None:
    console, root = console_certificate(tmp_path, "clientAuth,2.16.840.1.113741.1.2.1")
    (tmp_path / "other").mkdir()
    stranger, _ = console_certificate(tmp_path / "other", "clientAuth")
    profile = {"format": 1, "name": "mutual", "tls": {"remote": "mutual", "trusted_roots": [{"file": str(root)}]}}

    with VirtualMachines(time_scale=50.0) as machines:
        pc = machines[0]

        def provisioned(shown: amtpy.Certificate | None = None, journal: str = "journal.db") -> amtpy.Outcome:
            return amtpy.provision(
                pc.address, uuid=pc.uuid, certificate=machines.certificate, suffix=machines.suffix, host_name="pc1",
                journal=tmp_path / journal, authority=(tmp_path / "ca.pem", tmp_path / "ca.key"), client_certificate=shown,
            )

        done = provisioned()

        def opened(shown: amtpy.Certificate | None) -> amtpy.Machine:
            return amtpy.Machine(
                pc.address, password=done.admin_password, certificate=done.certificate, client_certificate=shown
            )

        with opened(None) as nothing, pytest.raises(amtpy.AmtError, match="would not be let in"):
            nothing.configure(profile, store=tmp_path / "record")
        with opened(console) as machine:
            assert machine.get("AMT_GeneralSettings")["HostName"] == "pc1", "shown to nobody who does not ask"
            assert machine.configure(profile, store=tmp_path / "record")["writes"] > 0
            assert machine.get("AMT_GeneralSettings")["HostName"] == "pc1"
            assert machine.configure(profile, store=tmp_path / "record")["writes"] == 0
        # Who shows nothing cannot tell it from a machine that waits for its setup.
        for shown, name, hint in ((None, "TLS_CHAIN_REFUSED", "client"), (stranger, "TLS_CLIENT_REFUSED", "trusted_roots")):
            with opened(shown) as refused, pytest.raises(amtpy.AmtError) as why:
                refused.get("AMT_GeneralSettings")
            assert why.value.name == name and hint in why.value.hint, str(why.value)

        # A setup that is gone on with is proven; begun anew, it is told what the machine is.
        assert provisioned(console).admin_password == done.admin_password
        attempts = ((console, "new.db", "ALREADY_PROVISIONED"), (None, "journal.db", "TLS_CHAIN_REFUSED"), (None, "new.db", "TLS_CHAIN_REFUSED"))
        for shown, journal, name in attempts:
            with pytest.raises(amtpy.AmtError) as why:
                provisioned(shown, journal)
            assert why.value.name == name, str(why.value)

        async def awaited() -> amtpy.Outcome:
            return await aio.provision(
                pc.address, uuid=pc.uuid, certificate=machines.certificate, suffix=machines.suffix, host_name="pc1",
                journal=tmp_path / "journal.db", authority=(tmp_path / "ca.pem", tmp_path / "ca.key"), client_certificate=console,
            )

        assert asyncio.run(awaited()).certificate == done.certificate
