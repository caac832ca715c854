"""Provision a machine, here a virtual one, and change a setting of it: python provision.py FOLDER"""

import sys
from pathlib import Path

import amtpy
from amtpy.sim import VirtualMachines

folder = Path(sys.argv[1])
with VirtualMachines(suffix="example.com") as machines:
    outcome = amtpy.provision(
        machines[0].address,
        uuid=machines[0].uuid,
        certificate=machines.certificate,
        journal=folder / "journal.db",
        authority=(folder / "ca.pem", folder / "ca.key"),
        suffix="example.com",
        host_name="pc1",
        domain_name="example.com",
    )
    print(f"{outcome.uuid} is in {outcome.control_mode} control mode, over {outcome.tls_version}")

    with amtpy.Machine(machines[0].address, password=outcome.admin_password, certificate=outcome.certificate) as machine:
        settings = machine.get("AMT_GeneralSettings")
        print("answers pings:", settings["PingResponseEnabled"])
        settings["PingResponseEnabled"] = not settings["PingResponseEnabled"] == "true"
        print("answers pings:", machine.put("AMT_GeneralSettings", settings)["PingResponseEnabled"])
