"""Virtual machines for the tests: `amt sim` in a process of its own."""

import contextlib
import itertools
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import amtpy
from amtpy.sim import VirtualMachines

TESTDATA = Path(__file__).resolve().parents[2] / "testdata" / "provisioning"
SUFFIX = "example.com"
PASSWORD = "Provision.1"

#: Of `admin` on the machines of the fixture `machines`.
ADMIN_PASSWORD = "P@ssw0rd-1"

#: The program whose virtual machines are provisioned.
AMT = os.environ.get("AMT_BIN", str(Path(__file__).resolve().parents[2] / "target" / "debug" / "amt"))

#: Networks of their own for tests that run one after another, or side by side in processes `gw0`, `gw1`, …; a machine that has just ended may
#: still hold its ports.
_networks = itertools.count(1 + 80 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))


@dataclass(frozen=True)
class Machine:
    """One virtual machine; ``ask`` goes to the firmware itself."""

    address: str
    uuid: str
    control: tuple[str, int]

    def ask(self, command: str, **arguments: str) -> Any:
        with socket.create_connection(self.control, timeout=10) as connection:
            request = {"command": command, "uuid": self.uuid, **arguments}
            connection.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(connection.makefile().readline())

    def truth(self) -> Any:
        return self.ask("truth")["machines"][0]

    def has_admin_password(self, password: str) -> bool:
        return bool(self.ask("check-admin-password", password=password)["matches"])


@pytest.fixture
def testdata() -> Path:
    """The folder with the provisioning certificate of the tests."""
    return TESTDATA


@contextlib.contextmanager
def simulate(*options: str) -> Iterator[Machine]:
    """A factory-fresh machine that trusts the test root and is in example.com, with more options of `amt sim`."""
    command = [AMT, "sim", "--root", str(TESTDATA / "root.pem"), "--suffix", SUFFIX, "--time-scale", "20"]
    command += ["--base-address", f"127.72.{next(_networks)}.1", "--control", "127.0.0.1:0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address, uuid, *_family = process.stdout.readline().split()
            host, port = process.stdout.readline().removeprefix("control socket: ").strip().rsplit(":", 1)
            yield Machine(address, uuid, (host, int(port)))
        finally:
            process.terminate()


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine that nobody hears of."""
    with simulate() as machine:
        yield machine


@pytest.fixture
def machines() -> Iterator[VirtualMachines]:
    """Machines that are set up already, in this process."""
    with VirtualMachines(time_scale=50.0, set_up="admin", admin_password=ADMIN_PASSWORD) as machines:
        yield machines


def administrator(machines: VirtualMachines, password: str = ADMIN_PASSWORD) -> amtpy.Machine:
    """The first of the machines, opened as `admin`."""
    return amtpy.Machine(machines[0].address, password=password, insecure_any=True)
