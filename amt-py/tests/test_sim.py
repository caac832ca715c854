"""`amtpy.sim`: the virtual machines themselves, and the fixtures that pytest finds."""

from collections.abc import Callable
from pathlib import Path

import pytest

import amtpy
from amtpy.sim import VirtualMachine, VirtualMachines


def provision(machines: VirtualMachines, machine: VirtualMachine, folder: Path) -> amtpy.Outcome:
    return amtpy.provision(
        machine.address,
        uuid=machine.uuid,
        certificate=machines.certificate,
        journal=folder / "journal.db",
        authority=(folder / "ca.pem", folder / "ca.key"),
        suffix=machines.suffix,
        host_name="pc1",
        domain_name=machines.suffix,
    )


def test_the_truth_and_the_passwords_are_the_firmwares_own(tmp_path: Path) -> None:
    with VirtualMachines(2) as machines:
        first, second = machines.machines
        assert first.truth()["state"] == "pre" and first.truth()["address"] == first.address
        assert first.check_admin_password("admin") and not first.check_admin_password("Admin")
        outcome = provision(machines, first, tmp_path)
        assert first.check_admin_password(outcome.admin_password) and not first.check_admin_password("admin")
        assert not first.check_mebx_password("admin")
        assert (first.truth()["control_mode"], second.truth()["control_mode"]) == ("admin", "none")
        assert outcome.admin_password not in str(first.truth())


def test_the_firmware_refuses_who_is_not_its_setup_server(tmp_path: Path) -> None:
    with VirtualMachines(suffix="example.com") as machines, VirtualMachines(suffix="example.org") as others:
        with pytest.raises(amtpy.AmtError) as refused:
            provision(others, machines[0], tmp_path)
        assert refused.value.stage
        truth = machines[0].truth()
        assert truth["control_mode"] == "none" and truth["handshakes_refused"] + truth["refusal_total"] > 0
        assert machines[0].check_admin_password("admin")


def test_a_fault_strikes_where_it_was_aimed(tmp_path: Path) -> None:
    with VirtualMachines(faults=["AMT_SetupAndConfigurationService.CommitChanges:out:reset"]) as machines:
        assert provision(machines, machines[0], tmp_path).control_mode == "admin"
        truth = machines[0].truth()
        assert (truth["faults"], truth["commits"]) == (1, 1), "its reply was lost, and it was not asked twice"
        with pytest.raises(amtpy.DecodeError):
            machines[0].add_fault("nowhere")


def test_machines_that_were_stopped_are_gone() -> None:
    machines = VirtualMachines(3, seed=7)
    assert (len(machines), machines.machines) == (3, [])
    with pytest.raises(IndexError):
        machines[0]
    with machines:
        uuids = [machine.uuid for machine in machines.machines]
        last = machines[-1]
        assert (last.uuid, last) == (uuids[2], machines[2]) and len({*machines.machines}) == 3
        with pytest.raises(amtpy.ArgumentError, match="run already"):
            machines.start()
        with pytest.raises(IndexError):
            machines[3]
    with pytest.raises(amtpy.ArgumentError, match="stopped"):
        last.truth()
    machines.stop()
    with machines:
        assert [machine.uuid for machine in machines.machines] == uuids, "the same seed, the same machines"


@pytest.mark.parametrize(
    "wrong",
    [{"persona": "1.0"}, {"count": 0}, {"base_address": "10.0.0.1"}, {"hello": "localhost"}, {"time_scale": 0.0}],
)
def test_what_cannot_be_is_told(wrong: dict[str, object]) -> None:
    with pytest.raises(amtpy.ArgumentError):
        VirtualMachines(**wrong).start()  # type: ignore[arg-type]


def test_the_fixtures_give_machines_that_run(
    amt_machine: VirtualMachine, amt_machines: Callable[..., VirtualMachines]
) -> None:
    assert amt_machine.truth()["persona"] == "amt-16.0"
    old = amt_machines(2, persona="9.5")
    assert {machine.truth()["persona"] for machine in old.machines} == {"amt-9.5"}
    assert amt_machine.address not in {machine.address for machine in old.machines}
