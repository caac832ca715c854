"""Provisioning certificates whose keys are elsewhere: OpenSSL's program has the key, and signs when it is asked."""

import asyncio
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

import amtpy
from amtpy import aio
from amtpy.sim import VirtualMachines
from conftest import SUFFIX, TESTDATA, Machine, simulate

CHAIN = amtpy.Chain(TESTDATA / "chain.pem")


def openssl(_: int, data: bytes) -> bytes:
    command = ["openssl", "dgst", "-sha256", "-sign", str(TESTDATA / "key.pem")]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def options(machine: Machine, folder: Path, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "uuid": machine.uuid,
        "chains": CHAIN,
        "sign": openssl,
        "journal": folder / "journal.db",
        "authority": (folder / "ca.pem", folder / "ca.key"),
        "suffix": SUFFIX,
        "host_name": "pc1",
    }
    return given | more


def test_a_function_signs_for_the_chain_that_fits(machine: Machine, tmp_path: Path) -> None:
    asked: list[tuple[int, int, bool]] = []

    def sign(index: int, data: bytes) -> bytes:
        asked.append((index, len(data), threading.current_thread() is threading.main_thread()))
        return openssl(index, data)

    other = amtpy.Chain(VirtualMachines(suffix="example.org").certificate_pem.encode())
    assert other.sha256 != CHAIN.sha256 == amtpy.Certificate(pem=TESTDATA / "chain.pem", key=TESTDATA / "key.pem").sha256
    steps: list[str] = []
    outcome = amtpy.provision(machine.address, **options(machine, tmp_path, chains=[other, CHAIN], sign=sign, progress=steps.append))
    assert outcome.control_mode == "admin" and machine.has_admin_password(outcome.admin_password) and "prove" in steps
    # The chain with the suffix of the machine is the second, and what is signed is a handshake.
    assert {index for index, _, _ in asked} == {1} and all(length >= 40 for _, length, _ in asked)
    assert not any(is_main for _, _, is_main in asked), "Ctrl-C ends the wait also while it signs"


def test_other_threads_run_while_it_signs(machine: Machine, tmp_path: Path) -> None:
    counted = threading.Semaphore(0)

    def sign(index: int, data: bytes) -> bytes:
        threading.Thread(target=counted.release).start()
        assert counted.acquire(timeout=10), "the interpreter is free"
        return openssl(index, data)

    assert amtpy.provision(machine.address, **options(machine, tmp_path, sign=sign)).control_mode == "admin"


def test_what_it_raises_is_told_and_the_machine_waits_on(machine: Machine, tmp_path: Path) -> None:
    def locked(_: int, data: bytes) -> bytes:
        raise PermissionError("the module is locked")

    wrong: list[tuple[Any, str]] = [
        (locked, "PermissionError: the module is locked"),
        (lambda _, data: data.hex(), "it is no bytes but str"),
        (lambda _, data: b"", "0 bytes are no signature"),
        (lambda _, data: bytes(2049), "2049 bytes are no signature"),
        (lambda: b"", "TypeError"),
    ]
    for sign, words in wrong:
        with pytest.raises(amtpy.AmtError) as refused:
            amtpy.provision(machine.address, **options(machine, tmp_path, sign=sign))
        assert refused.value.name == "SIGNER" and words in str(refused.value)
        assert refused.value.hint and type(refused.value) is amtpy.AmtError
        assert machine.truth()["control_mode"] == "none"
    outcome = amtpy.provision(machine.address, **options(machine, tmp_path))
    assert machine.has_admin_password(outcome.admin_password)


def test_awaited(machine: Machine, tmp_path: Path) -> None:
    def locked(_: int, data: bytes) -> bytes:
        raise ValueError("come back tomorrow")

    async def both() -> amtpy.Outcome:
        with pytest.raises(amtpy.AmtError, match="come back tomorrow") as refused:
            await aio.provision(machine.address, **options(machine, tmp_path, sign=locked))
        assert refused.value.name == "SIGNER"
        return await aio.provision(machine.address, **options(machine, tmp_path))

    assert machine.has_admin_password(asyncio.run(both()).admin_password)


def test_firmware_that_is_too_old_needs_the_key_itself(tmp_path: Path) -> None:
    with simulate("--persona", "11.8") as machine, pytest.raises(amtpy.AmtError) as refused:
        amtpy.provision(machine.address, **options(machine, tmp_path, legacy_tls="allow"))
    assert refused.value.name == "UNSUPPORTED" and "together with its key" in refused.value.hint


def test_mistakes_are_told_before_anything_is_sent(tmp_path: Path) -> None:
    machine = Machine("127.77.1.3", "00112233-4455-6677-8899-aabbccddeeff", ("", 0))
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({"sign": None}, "who signs"),
        ({"chains": None}, "chains: "),
        ({"chains": []}, "chains: "),
        ({"sign": 5}, "int cannot be called"),
    ]
    for wrong, words in mistakes:
        with pytest.raises(amtpy.ArgumentError, match=words):
            amtpy.provision(machine.address, **options(machine, tmp_path, **wrong))
    with pytest.raises(TypeError):
        amtpy.provision(machine.address, **options(machine, tmp_path, chains=["chain.pem"]))
    with pytest.raises(amtpy.AmtError):
        amtpy.Chain((TESTDATA / "key.pem").read_bytes())
    with pytest.raises(amtpy.AmtError):
        amtpy.Chain(tmp_path / "none.pem")
    assert not (tmp_path / "journal.db").exists()


def test_a_setup_server_signs_by_the_function(tmp_path: Path) -> None:
    refuse = True

    def sign(index: int, data: bytes) -> bytes:
        if refuse:
            raise PermissionError("the module is locked")
        return openssl(index, data)

    ca = (tmp_path / "ca.pem", tmp_path / "ca.key")
    with (
        amtpy.Fleet(tmp_path / "fleet.db") as fleet,
        amtpy.SetupServer(fleet, listen="127.0.0.1:0", ca=ca, dns_suffixes=[SUFFIX], admit="auto", chains=CHAIN, sign=sign) as server,
        simulate("--hello", server.addresses[0]) as machine,
    ):
        for event in server.events(timeout=120):
            if event["event"] == "failed":
                assert event["error"]["name"] == "SIGNER" and "the module is locked" in event["error"]["message"]
                assert machine.truth()["control_mode"] == "none" and event["retry_in"] is not None
                refuse = False
            if event["event"] == "verified":
                break
        assert not refuse and machine.truth()["control_mode"] == "admin"
        assert machine.has_admin_password(fleet.credentials(machine.uuid)[0].password)
