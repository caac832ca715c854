"""`provision` against a virtual machine."""

import hashlib
import os
import signal
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

import amtpy
from conftest import PASSWORD, SUFFIX, TESTDATA, Machine, simulate

CERTIFICATE = amtpy.Certificate(pfx=TESTDATA / "chain.pfx", password=PASSWORD)


def provision(machine: Machine, folder: Path, **more: Any) -> amtpy.Outcome:
    options: dict[str, Any] = {
        "uuid": machine.uuid,
        "certificate": CERTIFICATE,
        "journal": folder / "journal.db",
        "authority": (folder / "ca.pem", folder / "ca.key"),
        "suffix": SUFFIX,
        "host_name": "pc1",
        "domain_name": SUFFIX,
    }
    return amtpy.provision(machine.address, **(options | more))


def test_a_machine_ends_in_admin_control_mode_with_our_password(machine: Machine, tmp_path: Path) -> None:
    steps: list[str] = []
    outcome = provision(machine, tmp_path, progress=steps.append)
    assert (outcome.uuid, outcome.control_mode) == (machine.uuid, "admin")
    assert outcome.tls_version.startswith("TLS 1.") and outcome.tls_suite.startswith("TLS")
    assert outcome.firmware is not None and outcome.firmware.startswith("16.")
    assert steps.index("set-admin-password") < steps.index("commit") < steps.index("prove")
    assert outcome.admin_password not in repr(outcome)

    truth = machine.truth()
    assert truth["control_mode"] == "admin"
    assert truth["host_name"] == "pc1"
    assert truth["certificate_sha256"] == hashlib.sha256(outcome.certificate).hexdigest()
    assert machine.has_admin_password(outcome.admin_password)
    assert not machine.has_admin_password("admin")
    assert outcome.admin_password.encode() not in (tmp_path / "journal.db").read_bytes()


def test_an_attempt_that_broke_off_is_gone_on_with(machine: Machine, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(step: str) -> None:
        if step == "set-clock":
            raise Stop

    with pytest.raises(Stop):
        provision(machine, tmp_path, progress=stop)
    assert machine.truth()["control_mode"] != "admin"
    outcome = provision(machine, tmp_path, uuid=uuid.UUID(machine.uuid), certificate=[CERTIFICATE])
    assert machine.truth()["control_mode"] == "admin"
    assert machine.has_admin_password(outcome.admin_password)


def test_arguments_are_checked_before_anything_is_sent(tmp_path: Path) -> None:
    machine = Machine("127.0.0.1", "00112233-4455-6677-8899-aabbccddeeff", ("", 0))
    with pytest.raises(amtpy.DecodeError):
        provision(machine, tmp_path, uuid="not a uuid")
    with pytest.raises(amtpy.PolicyError) as weak:
        provision(machine, tmp_path, admin_password="short")
    assert weak.value.name == "PLAN_INVALID" and "short" not in str(weak.value)
    with pytest.raises(TypeError):
        provision(machine, tmp_path, certificate="chain.pfx")


def test_nobody_there_is_a_connection_error(tmp_path: Path) -> None:
    machine = Machine("127.77.1.3", "00112233-4455-6677-8899-aabbccddeeff", ("", 0))
    with pytest.raises(ConnectionError) as caught:
        provision(machine, tmp_path)
    assert isinstance(caught.value, amtpy.AmtError)
    assert (caught.value.name, caught.value.stage) == ("CONNECT_REFUSED", "connect")
    assert caught.value.hint


def test_other_threads_run_and_an_interrupt_ends_the_wait(tmp_path: Path) -> None:
    # A test runner started in the background ignores the signal, and Python would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        machine = Machine("127.0.0.1", "00112233-4455-6677-8899-aabbccddeeff", ("", 0))
        counted = 0
        done = threading.Event()

        def count() -> None:
            nonlocal counted
            while not done.wait(0.01):
                counted += 1
                if counted == 30:
                    os.kill(os.getpid(), signal.SIGINT)

        counter = threading.Thread(target=count)
        counter.start()
        start = time.monotonic()
        try:
            with pytest.raises(KeyboardInterrupt):
                provision(machine, tmp_path, port=port)
        finally:
            done.set()
            counter.join()
        assert counted >= 30 and time.monotonic() - start < 15


def test_old_firmware_waits_for_a_pre_shared_pair(tmp_path: Path) -> None:
    pid, pps = "AMT1-SET7", "CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD"
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(f"{pid},{pps}\n")
    with simulate("--persona", "9.5", "--psk-file", str(pairs)) as machine:
        options: dict[str, Any] = {"certificate": None, "psk": [(pid, pps)]}
        with pytest.raises(amtpy.AmtError) as refused:
            provision(machine, tmp_path, **options)
        assert refused.value.name == "TLS_LEGACY_NOT_ALLOWED"
        outcome = provision(machine, tmp_path, legacy_tls="allow", **options)
        assert (outcome.control_mode, outcome.tls_engine, outcome.tls_version) == ("admin", "openssl", "TLS 1.1")
        assert machine.truth()["pid"] not in (None, pid), "it has a pair of its own"
    with pytest.raises(amtpy.AmtError) as wrong:
        provision(machine, tmp_path, certificate=None, psk=[(pid, pps.replace("QR61", "QR60"))])
    assert wrong.value.name == "PSK_INVALID" and "QR60" not in str(wrong.value)
