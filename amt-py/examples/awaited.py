"""Machines, here virtual ones, that are provisioned as they say hello, all at once: python awaited.py COUNT FOLDER"""

import asyncio
import sys
from pathlib import Path

import amtpy
from amtpy import aio
from amtpy.sim import VirtualMachines


async def main(count: int, folder: Path) -> None:
    with amtpy.Fleet(folder / "fleet.db") as fleet:
        async with aio.HelloListener("127.0.0.1:0") as listener:
            with VirtualMachines(count, hello=listener.addresses[0]) as machines:

                async def provision(event: amtpy.HelloEvent, hello: amtpy.Hello) -> None:
                    outcome = await aio.provision(
                        event.address,
                        uuid=hello.uuid,
                        hello=hello,
                        certificate=machines.certificate,
                        journal=fleet,
                        authority=(folder / "ca.pem", folder / "ca.key"),
                        suffix="example.com",
                        host_name=f"pc-{hello.uuid[:8]}",
                    )
                    print(outcome.uuid, outcome.control_mode)

                known: set[str] = set()
                async with asyncio.TaskGroup() as group:
                    async for event in listener:
                        if event.hello is not None and event.hello.uuid not in known:
                            known.add(event.hello.uuid)
                            group.create_task(provision(event, event.hello))
                        if len(known) == count:
                            break


asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
