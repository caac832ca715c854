"""`Fleet`, `SetupServer` and `enroll`: the setup server from Python, against virtual machines."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import amtpy
from conftest import PASSWORD, SUFFIX, TESTDATA, Machine, simulate

CERTIFICATE = amtpy.Certificate(pfx=TESTDATA / "chain.pfx", password=PASSWORD)
UUID = "00112233-4455-6677-8899-aabbccddeeff"
EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "setup_server.py"
PATIENCE = 60.0

Resolver = Callable[[dict[str, Any]], Any]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[amtpy.Fleet]:
    with amtpy.Fleet(tmp_path / "fleet.db", tmp_path / "seal.key") as fleet:
        yield fleet


def setup_server(fleet: amtpy.Fleet, folder: Path, resolver: Resolver | None = None, **more: Any) -> amtpy.SetupServer:
    options: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "certificate": CERTIFICATE,
        "ca": (folder / "ca.pem", folder / "ca.key"),
        "dns_suffixes": [SUFFIX],
        "resolver": resolver,
        "intake": "127.0.0.1:0",
    }
    return amtpy.SetupServer(fleet, **(options | more))


@contextlib.contextmanager
def machine_at(server: amtpy.SetupServer) -> Iterator[Machine]:
    with simulate("--hello", server.addresses[0]) as machine:
        yield machine


def until(server: amtpy.SetupServer, kind: str) -> dict[str, Any]:
    """The next event of that kind."""
    seen = []
    for event in server.events(timeout=PATIENCE):
        if event["event"] == kind:
            return event
        seen.append(event["message"])
    pytest.fail(f"no {kind} among {seen}")


def enroll(server: amtpy.SetupServer, token: Any, **more: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"pin": server.pin, "timeout": PATIENCE}
    return amtpy.enroll(f"https://{server.intake_addresses[0]}", token, **(options | more))


def test_an_unknown_machine_is_named_and_let_in_by_the_function(fleet: amtpy.Fleet, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []
    threads: set[int] = set()

    def resolver(question: dict[str, Any]) -> amtpy.Answer:
        asked.append(question)
        threads.add(threading.get_ident())
        # The database may be asked from within.
        assert fleet.machine(question["uuid"])["uuid"] == question["uuid"]
        return {"entry": "admit", "name": "pc1", "labels": ["lab"], "ou": "OU=Lab"}

    fleet.collection("ready", "verified")
    fleet.collection("enrolled", "fact.agent.fqdn = pc1.example.com")
    with setup_server(fleet, tmp_path, resolver) as server, machine_at(server) as machine:
        verified = until(server, "verified")
        assert (verified["uuid"], verified["control_mode"]) == (machine.uuid, "admin")
        assert asked[0]["uuid"] == machine.uuid and asked[0]["suffixes"] == [SUFFIX] and not asked[0]["verified"]
        assert threading.get_ident() not in threads

        truth = machine.truth()
        assert (truth["control_mode"], truth["host_name"]) == ("admin", "pc1")
        record = fleet.machine(machine.uuid)
        assert (record["name"], record["ou"], record["temporary"]) == ("pc1.example.com", "OU=Lab", False)
        assert [m["uuid"] for m in fleet.members("ready")] == [machine.uuid]
        assert fleet.members("enrolled") == []
        credentials = fleet.credentials(machine.uuid)
        assert {credential.kind for credential in credentials} == {"admin", "mebx"}
        admin = credentials[0]
        assert (admin.kind, admin.account) == ("admin", "admin")
        assert machine.has_admin_password(admin.password) and admin.password not in repr(admin) + str(admin)

        stages: list[dict[str, Any]] = []
        token = fleet.new_token(note="for the lab")
        status = enroll(
            server,
            token,
            name="pc1.example.com",
            uuid=machine.uuid,
            facts={"mac": ["00-1B-21-AA-BB-CC"], "os": "Linux"},
            progress=stages.append,
        )
        assert (status["stage"], status["name"], status["done"]) == ("verified", "pc1.example.com", True)
        assert stages[0] == {"event": "reported", "enrolled": True} and stages[-1]["stage"] == "verified"
        told = {(f["key"], f["source"]): f["value"] for f in fleet.facts(machine.uuid)}
        assert told["fqdn", "agent"] == "pc1.example.com" and told["mac", "agent"] == "00:1b:21:aa:bb:cc"
        assert told["label", "resolver"] == "lab"
        assert [m["uuid"] for m in fleet.members("enrolled")] == [machine.uuid]
        assert any(line["message"] == "joined collection enrolled" for line in fleet.diary(machine.uuid))
        # Once is once, and a token is a secret.
        with pytest.raises(amtpy.AmtError) as used:
            enroll(server, token.reveal(), uuid=UUID)
        assert used.value.name == "ENROLMENT" and "USED-UP" in str(used.value)
        assert token.reveal() not in repr(token) + str(token) + str(used.value)


def test_a_function_that_raises_parks_the_machine_and_somebody_releases_it(
    fleet: amtpy.Fleet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    is_broken = True

    def resolver(question: dict[str, Any]) -> None:
        if is_broken:
            raise LookupError("the inventory has no such\nmachine")

    with setup_server(fleet, tmp_path, resolver) as server, machine_at(server) as machine:
        parked = until(server, "parked")
        record = fleet.machine(machine.uuid)
        assert (record["state"], record["parked"]["code"]) == ("parked", "RESOLVER")
        for text in (parked["message"], record["parked"]["reason"]):
            assert "the resolver raised LookupError: the inventory has no such machine" in text
        assert record["parked"]["hint"] and fleet.machines("verified") == []
        traceback = next(r for r in caplog.records if r.name == "amtpy" and r.levelno == logging.ERROR)
        assert traceback.exc_info is not None and isinstance(traceback.exc_info[1], LookupError)
        assert machine.truth()["control_mode"] != "admin"

        is_broken = False
        fleet.release(machine.uuid, by="Ann")
        assert until(server, "verified")["uuid"] == machine.uuid
        record = fleet.machine(machine.uuid)
        assert (record["released"]["by"], record["parked"]) == ("Ann", None)
        assert [m["uuid"] for m in fleet.machines(where="verified", sort="name")] == [machine.uuid]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("admit", "neither a dict nor None"),
        ({"enter": "admit"}, "unknown field `enter`"),
        ({"entry": "maybe"}, "entry: unknown variant `maybe`"),
        ({"labels": {"a"}}, "TypeError"),
        ({"name": "no name"}, "the resolver's name"),
    ],
)
def test_an_answer_that_cannot_be_parks_the_machine(
    fleet: amtpy.Fleet, tmp_path: Path, answer: Any, why: str
) -> None:
    with setup_server(fleet, tmp_path, lambda question: answer) as server:
        token = fleet.new_token()
        status = enroll(server, token, uuid=UUID, wait=False)
        assert not status["done"]
        deadline = time.monotonic() + PATIENCE
        while (parked := fleet.machine(UUID)["parked"]) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert parked["code"] == "RESOLVER" and why in parked["reason"], parked


def test_a_function_that_hangs_is_not_waited_for(fleet: amtpy.Fleet, tmp_path: Path) -> None:
    goes_on = threading.Event()

    def resolver(question: dict[str, Any]) -> None:
        goes_on.wait(PATIENCE)

    try:
        with setup_server(fleet, tmp_path, resolver, resolver_timeout=0.2) as server, machine_at(server) as machine:
            assert "did not answer within 0.2 s" in until(server, "parked")["message"]
            # Everything else goes on meanwhile.
            assert fleet.machine(machine.uuid)["state"] == "parked"
    finally:
        goes_on.set()


def test_an_operator_says_what_counts(fleet: amtpy.Fleet, tmp_path: Path) -> None:
    with setup_server(fleet, tmp_path) as server:
        with pytest.raises(amtpy.AmtTimeout) as waited:
            enroll(server, fleet.new_token(), name="pc1.example.com", uuid=UUID, timeout=1.5)
        assert waited.value.name == "ENROLMENT"
        assert fleet.report(UUID, "operator", {"fqdn": "PC2.example.com", "label": ["a", "b"]})
        assert not fleet.report(UUID, "operator", {"fqdn": "pc2.example.com"})
        assert fleet.report(UUID, "operator", {"fqdn": "pc3.example.com"})
        told = [(f["value"], f["source"]) for f in fleet.facts(UUID) if f["key"] == "fqdn"]
        assert told == [("pc3.example.com", "operator"), ("pc1.example.com", "agent")]
        past = [f["value"] for f in fleet.facts(UUID, history=True) if f["until"] is not None]
        assert past == ["pc2.example.com"]
        moved = fleet.collection("lab", "label = a")
        assert moved == [{"uuid": UUID, "collection": "lab", "joined": True}]
        (joined,) = fleet.collections()
        assert (joined["name"], joined["members"]) == ("lab", 1)
        assert fleet.collection("lab", "not label = a") == [{"uuid": UUID, "collection": "lab", "joined": False}]
        fleet.remove_collection("lab")
        assert fleet.collections() == []


def test_a_revoked_token_and_a_wrong_pin_get_nothing(fleet: amtpy.Fleet, tmp_path: Path) -> None:
    with setup_server(fleet, tmp_path) as server:
        token = fleet.new_token(uses=5)
        fleet.revoke_token(token.number)
        with pytest.raises(amtpy.AmtError, match="REVOKED"):
            enroll(server, token, uuid=UUID)
        with pytest.raises(amtpy.AmtError) as stranger:
            enroll(server, fleet.new_token(), uuid=UUID, pin="00" * 32)
        assert "pin" in str(stranger.value).lower()
        with pytest.raises(amtpy.AmtError) as secret:
            enroll(server, "amt_geheim", uuid=UUID)
        assert "geheim" not in str(secret.value)
        assert fleet.machines() == []


def test_mistakes_are_told_before_anything_happens(fleet: amtpy.Fleet, tmp_path: Path) -> None:
    with pytest.raises(amtpy.ArgumentError) as misspelt:
        fleet.machines("verifed")
    assert misspelt.value.name == "FILTER" and "column 1" in str(misspelt.value)
    with pytest.raises(amtpy.AmtError) as unknown:
        fleet.machine(UUID)
    assert unknown.value.name == "MACHINE_UNKNOWN"
    for call in (
        lambda: fleet.report(UUID, "nobody", {}),
        lambda: fleet.report(UUID, "operator", {"colour": "red"}),
        lambda: fleet.report(UUID, "operator", {"fqdn": 7}),  # type: ignore[dict-item]
        lambda: fleet.release(UUID, by="Ann", address="here"),
        lambda: fleet.new_token(uses=0),
        lambda: fleet.new_token(expires=-1),
        lambda: setup_server(fleet, tmp_path, listen="here"),
        lambda: setup_server(fleet, tmp_path, admit="all"),
        lambda: setup_server(fleet, tmp_path, resolver=7),  # type: ignore[arg-type]
        lambda: setup_server(fleet, tmp_path, resolver_timeout=float("nan")),
        lambda: setup_server(fleet, tmp_path).events(),
        lambda: amtpy.enroll("https://127.0.0.1:1", uuid=UUID, facts={"profile": "x"}),
        lambda: amtpy.enroll("https://127.0.0.1:1", uuid=UUID, pin="00" * 32, ca="x"),
    ):
        with pytest.raises(amtpy.ArgumentError):
            call()
    with pytest.raises(amtpy.PolicyError, match="no provisioning certificate"):
        setup_server(fleet, tmp_path, certificate=[]).start()
    fleet.close()
    with pytest.raises(amtpy.ArgumentError, match="closed"):
        fleet.machines()


def test_a_server_is_stopped_and_started_again_and_holds_its_database(fleet: amtpy.Fleet, tmp_path: Path) -> None:
    server = setup_server(fleet, tmp_path)
    assert not server.running and server.addresses == [] and server.pin is None
    pins: set[str | None] = set()
    for _ in range(2):
        server.start()
        assert server.running and len(server.addresses) == len(server.intake_addresses) == 1
        pins.add(server.pin)
        with pytest.raises(amtpy.ArgumentError):
            server.start()
        with pytest.raises(amtpy.AmtError, match="another setup server"):
            setup_server(fleet, tmp_path).start()
        with pytest.raises(amtpy.ArgumentError, match="stop it first"):
            fleet.close()
        assert list(server.events(timeout=0.05)) == []
        server.stop()
        server.stop()
        assert not server.running and list(server.events()) == []
    assert len(pins) == 1
    with pytest.raises(ZeroDivisionError), setup_server(fleet, tmp_path):
        1 / 0


def test_a_configuration_file_is_taken_and_the_function_asked_after_its_rules(
    fleet: amtpy.Fleet, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    (tmp_path / "fleet.toml").write_text(
        f"""
        listen = "127.0.0.1:0"
        database = "fleet.db"
        seal_key_file = "seal.key"
        dns_suffixes = ["{SUFFIX}"]
        [[provisioning_certificate]]
        pfx = '{TESTDATA / "chain.pfx"}'
        password_file = "password"
        [intake]
        listen = "127.0.0.1:0"
        [[rule]]
        entry = "park"
        reason = "the rule says so"
        """
    )
    answer = {"entry": "admit", "reason": "the function says so", "ou": "OU=Lab"}
    server = amtpy.SetupServer(fleet, config=tmp_path / "fleet.toml", resolver=lambda question: answer)
    assert [finding.severity for finding in server.warnings if "password" in finding.message] in ([], ["warning"])
    with server, machine_at(server) as machine:
        assert "the rule says so" in until(server, "parked")["message"]
        assert fleet.machine(machine.uuid)["ou"] == "OU=Lab"


def test_an_interrupt_ends_the_wait_for_events(fleet: amtpy.Fleet, tmp_path: Path) -> None:
    # A test runner started in the background ignores the signal, and Python would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with setup_server(fleet, tmp_path) as server:
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            for _ in server.events():
                pass
        timer.join()
        assert time.monotonic() - start < 15 and server.running


def test_the_example_provisions_what_a_client_has_named(tmp_path: Path) -> None:
    chain = (TESTDATA / "chain.pem").read_text() + (TESTDATA / "key.pem").read_text()
    (tmp_path / "provisioning.pem").write_text(chain)
    command = [sys.executable, str(EXAMPLE), str(tmp_path), "--listen", "127.0.0.1:0", "--intake", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline().replace(",", "").split()
            hello, intake, pin = first[2], first[5], first[7]
            token = process.stdout.readline().split()[-1]
            with simulate("--hello", hello) as machine:
                while " parked " not in (line := process.stdout.readline()):
                    assert line, "the example has ended"
                assert machine.uuid in line and "no client on it has told its name yet" in line
                # As from a stick: what is said by an installed system speaks for an owner.
                status = amtpy.enroll(
                    f"https://{intake}",
                    token,
                    name="pc7.example.com",
                    pin=pin,
                    uuid=machine.uuid,
                    facts={"environment": "live"},
                    timeout=PATIENCE,
                )
                assert (status["stage"], status["name"]) == ("verified", "pc7.example.com")
                assert machine.truth()["host_name"] == "pc7"
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
