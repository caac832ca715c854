"""Operating machines that are set up: power, next boot, logs, inventory; and what is seen from outside."""

import asyncio
import time

import pytest

import amtpy
from amtpy import aio
from amtpy.sim import VirtualMachines
from conftest import ADMIN_PASSWORD, administrator


def test_power_is_read_and_changed(machines: VirtualMachines) -> None:
    with administrator(machines) as pc:
        state = pc.power_state()
        assert state["state"] == "on" and "reset" in state["available"]
        assert pc.power("off") == {"action": "off", "before": "on", "answer": "accepted"}
        assert machines[0].truth()["power"] == "off"
        with pytest.raises(amtpy.AmtError) as refused:
            pc.power("soft-off")
        assert (refused.value.name, refused.value.hint) == ("WRONG_STATE", "possible now: on")
        with pytest.raises(amtpy.ArgumentError):
            pc.power("explode")  # type: ignore[arg-type]


def test_the_next_boot_is_set_seen_and_cleared(machines: VirtualMachines) -> None:
    with administrator(machines) as pc:
        assert pc.boot("pxe", then="none") is None
        assert pc.boot_state()["armed"] is True
        pc.clear_boot()
        assert pc.boot_state()["armed"] is False
        change = pc.boot("https", url="https://boot.example.com/i.efi", sol=True)
        assert change is not None and change["action"] == "reset"
        until = time.monotonic() + 20
        while not machines[0].truth()["boots"]:
            assert time.monotonic() < until
            time.sleep(0.02)
        boot = machines[0].truth()["boots"][0]
        assert (boot["source"], boot["url"], boot["sol"]) == ("https", "https://boot.example.com/i.efi", True)
        with pytest.raises(amtpy.ArgumentError, match="url"):
            pc.boot("https")
        with pytest.raises(amtpy.ArgumentError, match="url"):
            pc.boot("pxe", url="https://boot.example.com/i.efi")


def test_a_machine_in_client_control_mode_wants_consent() -> None:
    with VirtualMachines(set_up="client", admin_password=ADMIN_PASSWORD) as machines, administrator(machines) as pc:
        with pytest.raises(amtpy.WsmanFault) as refused:
            pc.boot("pxe")
        assert "consent" in refused.value.hint


def test_logs_are_read_frozen_and_cleared(machines: VirtualMachines) -> None:
    with administrator(machines, "Wr0ng-Pass!") as stranger, pytest.raises(amtpy.AmtError):
        stranger.power_state()
    with administrator(machines) as pc:
        [event] = pc.event_log()["records"]
        assert (event["sensor_number"], event["text"], event["severity"]) == (6, "1 failed login", "warning")
        pc.freeze_event_log()
        with pytest.raises(amtpy.WsmanFault):
            pc.clear_event_log()
        pc.freeze_event_log(False)
        pc.clear_event_log()
        assert pc.event_log()["records"] == []
        log = pc.audit_log()
        assert log["unreadable"] == 0
        assert [record["event"] for record in log["records"]] == [
            "access with invalid credentials",
            "event log frozen",
            "event log cleared",
        ]
        assert log["records"][1]["user"] == "admin"


def test_the_inventory_is_one_document(machines: VirtualMachines) -> None:
    with administrator(machines) as pc:
        found = pc.inventory()
    assert (found["uuid"], found["chassis"]["model"]) == (machines[0].uuid, "amt-sim")
    assert found["memory_bytes"] == 16 << 30 and found["missing_classes"] == []


def test_sessions_are_one_document(machines: VirtualMachines) -> None:
    with administrator(machines) as pc:
        found = pc.sessions()
    assert (found["listener"], found["sessions"]["serial"]) == (False, {"state": "off", "why": None})
    assert found["consent"]["state"] == "idle"


def test_the_same_can_be_awaited(machines: VirtualMachines) -> None:
    async def story() -> list[object]:
        async with aio.Machine(machines[0].address, password=ADMIN_PASSWORD, insecure_any=True) as pc:
            await pc.freeze_event_log()
            await pc.freeze_event_log(False)
            await pc.clear_event_log()
            await pc.boot("disk", then="none")
            await pc.clear_boot()
            armed = (await pc.boot_state())["armed"]
            change = await pc.power("cycle")
            return [
                armed,
                change["answer"],
                (await pc.power_state())["state"],
                (await pc.event_log())["frozen"],
                len((await pc.audit_log())["records"]) > 3,
                (await pc.inventory())["uuid"],
                (await pc.sessions())["sessions"]["screen"]["state"],
            ]

    assert asyncio.run(story()) == [False, "accepted", "on", False, True, machines[0].uuid, "off"]


def test_machines_are_discovered_without_a_password(machines: VirtualMachines) -> None:
    address = machines[0].address
    prefix, last = address.rsplit(".", 1)
    found = amtpy.discover([f"{prefix}.{last}-{int(last) + 1}"], rate=1000, timeout=0.5)
    assert [each["address"] for each in found] == [address, f"{prefix}.{int(last) + 1}"]
    assert (found[0]["standing"], found[0]["version"]) == ("set-up", "16.0.15.1735")
    assert found[0]["tls"]["certificate"]["self_signed"] is True
    for wrong in ["pc1:16993", "10.0.0.0/40", "10.0.0.5%1"]:
        with pytest.raises(amtpy.AmtError):
            amtpy.discover([wrong])


def test_names_and_interfaces_are_looked_up() -> None:
    named, linked = amtpy.discover(["localhost", "fe80::1%1"], rate=1000, timeout=0.2)
    assert named["address"] in ("127.0.0.1", "::1")
    assert linked["address"] == "fe80::1%1"
    with pytest.raises(amtpy.AmtError) as unknown:
        amtpy.discover(["no-such-machine.invalid"])
    assert unknown.value.name == "DNS"


def test_machines_that_are_set_up_have_a_password() -> None:
    with pytest.raises(amtpy.ArgumentError):
        VirtualMachines(set_up="admin")
    with pytest.raises(amtpy.ArgumentError):
        VirtualMachines(set_up="half", admin_password=ADMIN_PASSWORD)
