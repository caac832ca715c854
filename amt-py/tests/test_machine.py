"""`Machine`, blocking and awaited, against a machine that was provisioned."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import amtpy
from amtpy import aio
from amtpy.sim import VirtualMachine, VirtualMachines

CLOCK = "AMT_TimeSynchronizationService"


class Provisioned:
    """A machine in admin control mode, and how it is reached."""

    def __init__(self, machine: VirtualMachine, outcome: amtpy.Outcome, folder: Path) -> None:
        self.machine = machine
        self.outcome = outcome
        self.folder = folder

    def way(self, **more: Any) -> dict[str, Any]:
        return {"password": self.outcome.admin_password, "certificate": self.outcome.certificate} | more

    def open(self, **more: Any) -> amtpy.Machine:
        return amtpy.Machine(self.machine.address, **self.way(**more))

    def aio(self, **more: Any) -> aio.Machine:
        return aio.Machine(self.machine.address, **self.way(**more))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provisioned]:
    folder = tmp_path_factory.mktemp("provisioned")
    with VirtualMachines() as machines:
        outcome = amtpy.provision(
            machines[0].address,
            uuid=machines[0].uuid,
            certificate=machines.certificate,
            journal=folder / "journal.db",
            authority=(folder / "ca.pem", folder / "ca.key"),
            suffix=machines.suffix,
            host_name="pc1",
            domain_name=machines.suffix,
        )
        yield Provisioned(machines[0], outcome, folder)


def test_an_instance_is_read_changed_and_put_back(done: Provisioned) -> None:
    with done.open() as machine:
        assert machine.version is None and machine.tls is None
        settings = machine.get("AMT_GeneralSettings")
        assert (settings["HostName"], settings["DomainName"]) == ("pc1", "example.com")
        assert machine.put("AMT_GeneralSettings", settings | {"HostName": "pc2"})["HostName"] == "pc2"
        assert done.machine.truth()["host_name"] == "pc2"
        machine.put("AMT_GeneralSettings", settings | {"PingResponseEnabled": True, "WsmanOnlyMode": False})
        assert done.machine.truth()["host_name"] == "pc1"
        assert machine.version is not None and machine.version.startswith("16.")
        assert machine.tls is not None and machine.tls.version.startswith("TLS 1.") and machine.tls.engine == "rustls"
        assert done.outcome.admin_password not in repr(machine)


def test_a_class_is_enumerated_and_references_come_back(done: Provisioned) -> None:
    with done.open() as machine:
        certificates = machine.enumerate("AMT_PublicKeyCertificate")
        assert certificates and all("X509Certificate" in each for each in certificates)
        [used] = machine.enumerate("AMT_TLSCredentialContext")
        reference = used["ElementInContext"]
        assert reference["class"] == "AMT_PublicKeyCertificate"
        same = machine.get("AMT_PublicKeyCertificate", selectors=reference["selectors"])
        assert same in certificates


def test_a_method_is_called_and_its_failure_is_a_fault(done: Provisioned) -> None:
    with done.open() as machine:
        assert machine.invoke(CLOCK, "GetLowAccuracyTimeSynch")["ReturnValue"] == "0"
        with pytest.raises(amtpy.WsmanFault) as failed:
            machine.invoke("AMT_SetupAndConfigurationService", "SetMEBxPassword", {"Password": "weak"})
        assert failed.value.code and failed.value.stage and failed.value.device
        assert "weak" not in str(failed.value)
        assert machine.get("AMT_GeneralSettings")["HostName"], "the connection is good for more"


def test_a_class_that_is_not_there_is_a_fault_with_a_code(done: Provisioned) -> None:
    with done.open() as machine, pytest.raises(amtpy.WsmanFault) as fault:
        machine.get("AMT_NoSuchThing")
    assert (fault.value.name, fault.value.stage) == ("SOAP_FAULT", "call") and fault.value.hint


def test_the_wrong_password_and_the_wrong_machine_are_told_apart(done: Provisioned) -> None:
    with done.open(password="Wr0ng!pass") as machine, pytest.raises(amtpy.CredentialError) as refused:
        machine.get("AMT_GeneralSettings")
    assert "Wr0ng" not in str(refused.value)
    other = hashlib.sha256(b"another").hexdigest()
    with done.open(certificate=None, pin=other) as machine, pytest.raises(amtpy.PolicyError):
        machine.get("AMT_GeneralSettings")
    own = hashlib.sha256(done.outcome.certificate).hexdigest()
    with done.open(certificate=None, pin=own) as machine:
        assert machine.get("AMT_GeneralSettings")
    with done.open(certificate=None, ca=done.folder / "ca.pem", name="pc1.example.com") as machine:
        assert machine.get("AMT_GeneralSettings")
    with done.open(certificate=None, ca=done.folder / "ca.pem", name="pc9.example.com") as machine:
        with pytest.raises(amtpy.PolicyError):
            machine.get("AMT_GeneralSettings")


@pytest.mark.parametrize(
    "wrong",
    [{"certificate": None}, {"plain": True}, {"pin": "00"}, {"certificate": None, "pin": "zz" * 32}, {"name": "pc1"}],
)
def test_whom_to_take_for_the_machine_is_said_exactly_once(done: Provisioned, wrong: dict[str, Any]) -> None:
    with pytest.raises(amtpy.ArgumentError):
        done.open(**wrong)


def test_what_cannot_be_sent_is_refused_before(done: Provisioned) -> None:
    with done.open() as machine:
        for name in ("", "AMT_General Settings", "http://x"):
            with pytest.raises(amtpy.ArgumentError):
                machine.get(name)
        with pytest.raises(amtpy.ArgumentError, match="Odd"):
            machine.put("AMT_GeneralSettings", {"Odd": 1.5})
    with pytest.raises(amtpy.ArgumentError, match="closed"):
        machine.get("AMT_GeneralSettings")


def test_many_threads_share_one_machine(done: Provisioned) -> None:
    names: list[str] = []
    with done.open() as machine:

        def read() -> None:
            for _ in range(5):
                names.append(machine.get("AMT_GeneralSettings")["HostName"])

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert names == ["pc1"] * 40


def test_the_same_awaited(done: Provisioned) -> None:
    async def use() -> None:
        async with done.aio() as machine:
            settings = await machine.get("AMT_GeneralSettings")
            assert settings["HostName"] == "pc1"
            assert (await machine.put("AMT_GeneralSettings", settings))["HostName"] == "pc1"
            assert (await machine.invoke(CLOCK, "GetLowAccuracyTimeSynch"))["ReturnValue"] == "0"
            assert await machine.enumerate("AMT_PublicKeyCertificate")
            with pytest.raises(amtpy.WsmanFault):
                await machine.get("AMT_NoSuchThing")
            replies = await asyncio.gather(*(machine.get("AMT_GeneralSettings") for _ in range(10)))
            assert replies == [settings] * 10
        with pytest.raises(amtpy.ArgumentError, match="closed"):
            await machine.get("AMT_GeneralSettings")

    asyncio.run(use())


def test_a_cancelled_call_ends_and_the_next_one_connects_anew(done: Provisioned) -> None:
    async def use() -> None:
        async with done.aio() as machine:
            assert await machine.get("AMT_GeneralSettings")
            before = done.machine.truth()["tcp_connections"]
            done.machine.add_fault("AMT_GeneralSettings.Get:out:delay=20000")
            start = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await machine.get("AMT_GeneralSettings")
            assert time.monotonic() - start < 5
            assert await machine.get("AMT_GeneralSettings")
            assert done.machine.truth()["tcp_connections"] > before

    asyncio.run(use())


def test_a_machine_that_does_not_answer_in_time_is_a_timeout(done: Provisioned) -> None:
    done.machine.add_fault("AMT_GeneralSettings.Get:out:delay=20000")
    with done.open(timeout=0.5) as machine:
        with pytest.raises(TimeoutError) as late:
            machine.get("AMT_GeneralSettings")
        assert isinstance(late.value, amtpy.AmtTimeout) and late.value.name == "REPLY_TIMEOUT"
        assert machine.get("AMT_GeneralSettings", selectors=None)["HostName"] == "pc1"


def test_an_awaited_call_needs_a_running_loop(done: Provisioned) -> None:
    coroutine = done.aio().get("AMT_GeneralSettings")
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)


@pytest.mark.parametrize("persona", ["9.5", "11.8"])
def test_old_firmware_is_reached_with_consent_alone(persona: str, tmp_path: Path) -> None:
    with VirtualMachines(persona=persona) as machines:
        outcome = amtpy.provision(
            machines[0].address,
            uuid=machines[0].uuid,
            certificate=machines.certificate,
            journal=tmp_path / "journal.db",
            authority=(tmp_path / "ca.pem", tmp_path / "ca.key"),
            suffix=machines.suffix,
            host_name="pc1",
            legacy_tls="allow",
        )
        old = Provisioned(machines[0], outcome, tmp_path)
        with old.open() as machine, pytest.raises(amtpy.AmtError) as refused:
            machine.get("AMT_GeneralSettings")
        assert refused.value.name == "TLS_LEGACY_NOT_ALLOWED"
        with old.open(legacy_tls="allow") as machine:
            assert machine.get("AMT_GeneralSettings")["HostName"] == "pc1"
            assert machine.tls is not None and machine.tls.engine == "openssl"
        with pytest.raises(amtpy.AmtError):
            old.open(legacy_tls="perhaps")
