"""What needs no machine: `SetupBin`, `PskPair`, `capabilities`, `GeneralSettings`, `decode`."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import amtpy
from conftest import AMT

REPLY = (Path(__file__).resolve().parents[2] / "amt-wsman" / "tests" / "data" / "general_settings.xml").read_bytes()
SECRET = "P@ssw0rd!x"
PAIR = amtpy.PskPair("AMT1-SET7", "CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD")


def amt(*arguments: str) -> Any:
    ended = subprocess.run([AMT, *arguments, "--json"], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(ended.stdout)


def record(**more: Any) -> dict[str, Any]:
    return {"current_password": "admin", "new_password": SECRET, "pid": PAIR.pid, "pps": PAIR.reveal()} | more


def test_a_file_is_written_read_and_used_up(tmp_path: Path) -> None:
    file = amtpy.SetupBin.create([record(), record(manageability="amt", server_port=9971, dhcp="on")])
    assert (file.version, len(file)) == ("2.1", 2)
    wire = file.encode()
    assert len(wire) % 512 == 0
    same = amtpy.SetupBin.parse(wire, strict=True)
    assert same == file and hash(same) == hash(file) and same.encode() == wire
    first, second = same.records()
    assert (first["number"], first["usable"], first["scrambled"]) == (1, True, False)
    assert first["variables"]["new_password"] is None and first["variables"]["pid"] == "AMT1SET7"
    assert (second["variables"]["manageability"], second["variables"]["server_port"]) == ("amt", 9971)
    assert same.records(reveal=True)[0]["variables"]["new_password"] == SECRET
    assert SECRET not in repr(file) and SECRET not in str(file.records())

    used, at = file.consume()
    assert at == 0 and not used.records()[0]["usable"] and file.records()[0]["usable"], "the first is left as it was"
    used, at = used.consume()
    assert at == 1 and used.consume()[1] is None
    assert SECRET.encode() in used.encode() and SECRET.encode() not in used.wipe().encode()
    assert SECRET.encode() not in file.wipe(everything=True).encode()
    assert SECRET.encode() in file.wipe().encode()


def test_the_command_line_reads_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "setup.bin"
    file = amtpy.SetupBin.create([record(root_hash={"algorithm": "sha1", "digest": "ab" * 20, "name": "Root"})])
    path.write_bytes(file.encode())
    [shown] = amt("setupbin", "show", str(path), "--reveal")["records"]
    names = {entry["name"] for entry in shown["entries"]}
    assert names == set(file.records()[0]["variables"])
    [root] = file.records()[0]["variables"]["root_hash"]
    assert root == {"algorithm": "sha1", "digest": "ab" * 20, "name": "Root"}


def test_scrambling_hides_nothing_from_who_knows_it() -> None:
    file = amtpy.SetupBin.create([record()], version="4", scrambled=True)
    assert SECRET.encode() not in file.encode()
    assert amtpy.SetupBin.parse(file.encode()).records(reveal=True)[0]["variables"]["new_password"] == SECRET


@pytest.mark.parametrize(
    ("variables", "more"),
    [
        ({"no_such_thing": 1}, {}),
        ({"manageability": "sometimes"}, {}),
        ({"server_address": "nowhere"}, {}),
        ({"new_password": 7}, {}),
        ({"root_hash": {"algorithm": "sha1"}}, {}),
        ({"root_hash": {"algorithm": "md5", "digest": "", "name": ""}}, {}),
        ({"kvm": "on"}, {"version": "1"}),
        ({}, {"scrambled": True}),
        ({}, {"version": "1", "reusable": True}),
        ({}, {"version": "7"}),
        ({"new_password": "x" * 600}, {}),
    ],
)
def test_what_no_file_can_hold_is_refused(variables: dict[str, Any], more: dict[str, Any]) -> None:
    with pytest.raises(amtpy.AmtError) as refused:
        amtpy.SetupBin.create([record() | variables], **more)
    assert SECRET not in str(refused.value)


def test_what_is_odd_is_found_and_damage_is_no_crash() -> None:
    wire = bytearray(amtpy.SetupBin.create([record(new_password="weak")]).encode())
    codes = {finding.code for finding in amtpy.SetupBin.parse(wire).lint()}
    assert "PWD-WEAK" in codes or "VAR-LENGTH" in codes
    for cut in range(0, len(wire), 7):
        try:
            amtpy.SetupBin.parse(wire[:cut], strict=True)
        except amtpy.AmtError as error:
            assert error.name == "SETUP_BIN"
        else:
            raise AssertionError(cut)
    for at in range(512, 700):
        damaged = bytearray(wire)
        damaged[at] ^= 0xFF
        amtpy.SetupBin.parse(damaged).records(reveal=True)


def test_pairs_are_values_and_do_not_show_their_key() -> None:
    assert PAIR == amtpy.PskPair("amt1 set7", PAIR.reveal().lower()) and hash(PAIR) == hash(amtpy.PskPair("AMT1SET7", PAIR.reveal()))
    assert repr(PAIR) == 'PskPair(pid="AMT1-SET7")' and str(PAIR) == repr(PAIR)
    made = {amtpy.PskPair.generate() for _ in range(100)}
    assert len(made) == 100 and all(amtpy.PskPair(pair.pid, pair.reveal()) == pair for pair in made)
    with pytest.raises(amtpy.AmtError) as wrong:
        amtpy.PskPair(PAIR.pid, PAIR.reveal().replace("QR61", "QR60"))
    assert wrong.value.name == "PSK_INVALID" and "QR60" not in str(wrong.value)


@pytest.mark.parametrize("version", ["3.2", "9.5", "11.8.65.3590", "16.1", "22.0"])
def test_capabilities_are_those_of_the_command_line(version: str) -> None:
    assert amtpy.capabilities(version) == amt("capabilities", version)


def test_a_version_that_is_none_is_told() -> None:
    with pytest.raises(amtpy.DecodeError):
        amtpy.capabilities("new")


def test_general_settings_are_typed() -> None:
    settings = amtpy.GeneralSettings.parse(REPLY)
    assert settings.digest_realm == "Digest:0F1E2D3C4B5A69788796A5B4C3D2E1F0"
    assert (settings.ddns_ttl, settings.shared_fqdn) == (900, True)
    assert settings == amtpy.GeneralSettings.parse(bytearray(REPLY)) and hash(settings)
    assert "ddns_ttl=900" in repr(settings) and "shared_fqdn=True" in repr(settings)
    other = amtpy.GeneralSettings.parse(REPLY.replace(b">900<", b">901<"))
    assert other != settings and other.ddns_ttl == 901
    with pytest.raises(amtpy.DeviceError, match="DDNSTTL"):
        amtpy.GeneralSettings.parse(REPLY.replace(b">900<", b">soon<"))
    for cut in range(0, len(REPLY.rstrip()), 11):
        with pytest.raises(amtpy.AmtError):
            amtpy.GeneralSettings.parse(REPLY[:cut])


def test_any_envelope_is_described_as_the_command_line_does(tmp_path: Path) -> None:
    (tmp_path / "reply.xml").write_bytes(REPLY)
    described = amtpy.decode(REPLY)
    assert described == amt("wsman", "decode", os.fspath(tmp_path / "reply.xml"))
    assert (described["kind"], described["class"]) == ("response", "AMT_GeneralSettings")
    with pytest.raises(amtpy.AmtError):
        amtpy.decode(b"<no/>")
