"""64 machines in one process: awaited, and by threads; and what is broken off."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import amtpy
from amtpy import aio
from amtpy.sim import VirtualMachine, VirtualMachines

COUNT = 64


@pytest.fixture
def machines() -> Iterator[VirtualMachines]:
    with VirtualMachines(COUNT, spread=0.0) as machines:
        yield machines


def options(machines: VirtualMachines, machine: VirtualMachine, folder: Path, fleet: amtpy.Fleet) -> dict[str, Any]:
    return {
        "address": machine.address,
        "uuid": machine.uuid,
        "certificate": machines.certificate,
        "suffix": machines.suffix,
        "host_name": "pc" + machine.address.rsplit(".", 1)[1],
        "journal": fleet,
        "authority": (folder / "ca.pem", folder / "ca.key"),
    }


def check(machines: VirtualMachines, outcomes: list[amtpy.Outcome]) -> None:
    assert len(outcomes) == COUNT
    for machine, outcome in zip(machines.machines, outcomes, strict=True):
        assert (outcome.uuid, outcome.control_mode) == (machine.uuid, "admin")
        assert machine.check_admin_password(outcome.admin_password)
        assert machine.truth()["control_mode"] == "admin"
    assert len({outcome.admin_password for outcome in outcomes}) == COUNT
    assert len({outcome.certificate for outcome in outcomes}) == COUNT


def test_64_machines_by_asyncio(machines: VirtualMachines, tmp_path: Path) -> None:
    running = most = ticks = 0

    async def one(machine: VirtualMachine, fleet: amtpy.Fleet) -> amtpy.Outcome:
        nonlocal running, most
        begun = False

        def step(_: str) -> None:
            nonlocal begun, running, most
            assert threading.current_thread() is threading.main_thread()
            if not begun:
                begun = True
                running += 1
                most = max(most, running)

        outcome = await aio.provision(**options(machines, machine, tmp_path, fleet), progress=step)
        running -= 1
        return outcome

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def everything() -> list[amtpy.Outcome]:
        ticking = asyncio.create_task(tick())
        with amtpy.Fleet(tmp_path / "fleet.db") as fleet:
            outcomes = await asyncio.gather(*(one(machine, fleet) for machine in machines.machines))
        ticking.cancel()
        return outcomes

    threads = threading.active_count()
    check(machines, asyncio.run(everything()))
    assert most == COUNT, "all of them were under way at once"
    assert ticks > 20, "the event loop went on meanwhile"
    assert threading.active_count() <= threads + 1


def test_64_machines_by_threads(machines: VirtualMachines, tmp_path: Path) -> None:
    together = threading.Barrier(COUNT, timeout=60)

    def one(machine: VirtualMachine) -> amtpy.Outcome:
        begun = False

        def step(_: str) -> None:
            nonlocal begun
            if not begun:
                begun = True
                # Passed only if all 64 are under way, which takes an interpreter that nobody holds while waiting.
                together.wait()

        return amtpy.provision(**options(machines, machine, tmp_path, fleet), progress=step)

    with amtpy.Fleet(tmp_path / "fleet.db") as fleet, ThreadPoolExecutor(COUNT) as pool:
        check(machines, list(pool.map(one, machines.machines)))
        with pytest.raises(amtpy.ArgumentError):
            amtpy.provision(**options(machines, machines[0], tmp_path, fleet), journal_key=tmp_path / "other.key")


def test_a_cancelled_attempt_ends_and_is_gone_on_with(tmp_path: Path) -> None:
    async def serve(machines: VirtualMachines) -> None:
        reached = asyncio.Event()

        def step(name: str) -> None:
            if name == "set-clock":
                reached.set()

        with amtpy.Fleet(tmp_path / "fleet.db") as fleet:
            given = options(machines, machines[0], tmp_path, fleet)
            machines[0].add_fault("AMT_TimeSynchronizationService.SetHighAccuracyTimeSynch:in:delay=3000")
            attempt = asyncio.ensure_future(aio.provision(**given, progress=step))
            await asyncio.wait_for(reached.wait(), 60)
            start = time.monotonic()
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
            assert time.monotonic() - start < 5
            assert machines[0].truth()["control_mode"] != "admin"
            outcome = await aio.provision(**given)
            assert machines[0].check_admin_password(outcome.admin_password)

    with VirtualMachines() as machines:
        asyncio.run(serve(machines))


def test_the_failure_of_an_awaited_attempt_is_raised(tmp_path: Path) -> None:
    async def fail() -> None:
        with amtpy.Fleet(tmp_path / "fleet.db") as fleet, VirtualMachines() as machines:
            given = options(machines, machines[0], tmp_path, fleet)
            with pytest.raises(amtpy.ConnectionFailed) as refused:
                await aio.provision(**given | {"port": 9})
            assert (refused.value.name, refused.value.stage) == ("CONNECT_REFUSED", "connect") and refused.value.hint

    asyncio.run(fail())
