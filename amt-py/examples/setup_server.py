"""A setup server with an intake, in a program that says by itself who each machine is.

Virtual machines for it, which trust the certificate that is made beside them, and then the server:

    amt sim --machines 3 --certificate FOLDER --suffix example.com --hello 127.0.0.1:9971
    python setup_server.py FOLDER
"""

import argparse
from pathlib import Path
from typing import Any

import amtpy

SUFFIX = "example.com"


def who_is(question: dict[str, Any]) -> dict[str, Any]:
    """Machines that a client has named are let in under that name; the others wait. A site asks its inventory here.

    The guard still keeps out what seems to be in use; "release" instead of "admit" would overrule it.
    """
    for fact in question["facts"]:
        if (fact["key"], fact["source"]) == ("fqdn", "agent") and fact["value"].endswith(SUFFIX):
            return {"entry": "admit", "name": fact["value"], "labels": ["enrolled"]}
    return {"entry": "park", "reason": "no client on it has told its name yet"}


def main() -> None:
    parser = argparse.ArgumentParser(description="A setup server that asks a function who each machine is.")
    parser.add_argument("folder", type=Path, help="where provisioning.pem is, and where database and keys are made")
    parser.add_argument("--listen", default="127.0.0.1:9971", help="where to wait for hellos")
    parser.add_argument("--intake", default="127.0.0.1:9972", help="where clients report")
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    arguments = parser.parse_args()
    folder = arguments.folder

    with (
        amtpy.Fleet(folder / "fleet.db", folder / "seal.key") as fleet,
        amtpy.SetupServer(
            fleet,
            listen=arguments.listen,
            certificate=amtpy.Certificate(pem=folder / "provisioning.pem"),
            ca=(folder / "ca.pem", folder / "ca.key"),
            dns_suffixes=[SUFFIX],
            resolver=who_is,
            intake=arguments.intake,
        ) as server,
    ):
        print(f"listening on {server.addresses[0]}, intake on {server.intake_addresses[0]}, pin {server.pin}", flush=True)
        print(f"a token, for one machine: {fleet.new_token().reveal()}", flush=True)
        for event in server.events(timeout=arguments.seconds):
            print(event["uuid"], event["event"], event["message"], flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
