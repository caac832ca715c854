"""`HelloListener`, as iterator and asynchronous iterator, and machines that are provisioned when they say hello."""

import asyncio
import socket
import threading
import time
from pathlib import Path

import pytest

import amtpy
from amtpy import aio
from amtpy.sim import VirtualMachines
from test_hello import UUID, pki_hello


def say(listener: amtpy.HelloListener, data: bytes) -> None:
    host, port = listener.addresses[0].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(data)


def test_hellos_and_what_is_none_arrive() -> None:
    with amtpy.HelloListener("127.0.0.1:0") as listener:
        before = time.time()
        say(listener, pki_hello())
        event = next(listener)
        assert event.hello == amtpy.Hello.parse(pki_hello()) and event.error is None
        assert (event.address, event.data, event.repeat) == ("127.0.0.1", pki_hello(), 0)
        assert before - 1 < event.received < time.time() + 1 and UUID in repr(event)
        say(listener, pki_hello())
        assert next(listener).repeat == 1
        say(listener, b"GET / HTTP/1.1\r\n\r\n")
        event = next(listener)
        assert event.hello is None and isinstance(event.error, amtpy.DecodeError) and event.error.stage == "hello"
        start = time.monotonic()
        assert listener.next(timeout=0.3) is None
        assert 0.2 < time.monotonic() - start < 5


def test_closing_ends_whoever_waits() -> None:
    listener = amtpy.HelloListener(["127.0.0.1:0", "127.0.0.1:0"])
    assert len(set(listener.addresses)) == 2
    heard: list[amtpy.HelloEvent] = []
    waiting = threading.Thread(target=lambda: heard.extend(listener))
    waiting.start()
    time.sleep(0.2)
    listener.close()
    waiting.join(timeout=10)
    assert not waiting.is_alive() and heard == []
    with pytest.raises(StopIteration):
        next(listener)
    with pytest.raises(ConnectionError):
        say(listener, b"")
    listener.close()


def test_an_address_that_is_none_or_is_taken_is_told() -> None:
    with pytest.raises(amtpy.ArgumentError, match="listen"):
        amtpy.HelloListener("localhost")
    with amtpy.HelloListener("127.0.0.1:0") as listener:
        with pytest.raises(amtpy.AmtError) as taken:
            amtpy.HelloListener(listener.addresses)
        assert taken.value.name == "LISTEN" and taken.value.hint


def test_the_asynchronous_iterator_ends_with_its_block() -> None:
    async def listen() -> list[str]:
        uuids = []
        async with amtpy.HelloListener("127.0.0.1:0") as listener:
            await asyncio.to_thread(say, listener, pki_hello())
            async for event in listener:
                assert event.hello is not None
                uuids.append(event.hello.uuid)
                break
        async for event in listener:
            raise AssertionError(event)
        return uuids

    assert asyncio.run(listen()) == [UUID]


def test_machines_are_provisioned_when_they_say_hello(tmp_path: Path) -> None:
    """The five lines of a setup server of one's own."""
    count = 3

    async def serve() -> dict[str, amtpy.Outcome]:
        done: dict[str, amtpy.Outcome] = {}
        async with aio.HelloListener("127.0.0.1:0") as listener, asyncio.TaskGroup() as group:
            with VirtualMachines(count, hello=listener.addresses[0]) as machines:

                async def provision(event: amtpy.HelloEvent, hello: amtpy.Hello) -> None:
                    done[hello.uuid] = await aio.provision(
                        event.address,
                        uuid=hello.uuid,
                        hello=hello,
                        certificate=machines.certificate,
                        journal=tmp_path / "journal.db",
                        authority=(tmp_path / "ca.pem", tmp_path / "ca.key"),
                        suffix=machines.suffix,
                        host_name="pc" + hello.uuid[:8],
                    )

                tasks = {}
                async for event in listener:
                    if event.hello is not None and event.hello.uuid not in tasks:
                        tasks[event.hello.uuid] = group.create_task(provision(event, event.hello))
                    if len(tasks) == count:
                        break
                await asyncio.gather(*tasks.values())
                for machine in machines.machines:
                    assert machine.check_admin_password(done[machine.uuid].admin_password)
        return done

    done = asyncio.run(serve())
    assert len(done) == count and len({outcome.admin_password for outcome in done.values()}) == count
