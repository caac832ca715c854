"""The examples, as their users run them."""

import os
import subprocess
import sys
from pathlib import Path

import amtpy
from amtpy.sim import VirtualMachines
from test_hello import UUID, pki_hello

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(name: str, *arguments: str | Path, status: int = 0) -> list[str]:
    environment = os.environ | {"MEBX_PASSWORD": "P@ssw0rd!x"}
    command = [sys.executable, EXAMPLES / name, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert (ended.returncode, ended.stderr) == (status, ""), ended
    return ended.stdout.splitlines()


def test_a_hello_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "hello.bin").write_bytes(pki_hello())
    head, first, *_ = run("decode_hello.py", tmp_path / "hello.bin")
    assert head == f"machine {UUID} waits for a certificate" and first == f"  trusts sha1 {'01' * 20}"


def test_a_setupbin_is_written(tmp_path: Path) -> None:
    said = run("write_setupbin.py", "3", tmp_path)
    assert said[-1] == "3 records of version 2.1" and not any(line.startswith("error") for line in said)
    file = amtpy.SetupBin.parse((tmp_path / "setup.bin").read_bytes(), strict=True)
    written = {(record["variables"]["pid"], record["variables"]["pps"]) for record in file.records(reveal=True)}
    listed = {tuple(line.replace("-", "").split(",")) for line in (tmp_path / "pairs.csv").read_text().splitlines()}
    assert written == listed and len(written) == 3
    assert (tmp_path / "setup.bin").stat().st_mode & 0o077 == 0


def test_a_certificate_is_checked(tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_text(VirtualMachines(suffix="example.com").certificate_pem)
    assert not any(line.startswith("error") for line in run("preflight.py", chain, "example.com"))
    assert any("CN-SUFFIX" in line for line in run("preflight.py", chain, "example.org", status=1))


def test_a_machine_is_provisioned_and_changed(tmp_path: Path) -> None:
    done, before, after = run("provision.py", tmp_path)
    assert "is in admin control mode, over TLS 1." in done
    assert {before, after} == {"answers pings: true", "answers pings: false"}


def test_machines_are_provisioned_as_they_say_hello(tmp_path: Path) -> None:
    lines = run("awaited.py", "5", tmp_path)
    assert len(set(lines)) == 5 and all(line.endswith(" admin") for line in lines)
