"""For asyncio: what waits, to be awaited. The rest of :mod:`amtpy` does not wait and is the same.

>>> import asyncio, tempfile
>>> from amtpy import aio
>>> from amtpy.sim import VirtualMachines
>>> async def provisioned(folder):
...     with VirtualMachines(2) as machines:
...         return await asyncio.gather(*(
...             aio.provision(
...                 machine.address, uuid=machine.uuid, certificate=machines.certificate, suffix=machines.suffix,
...                 host_name="pc" + machine.uuid[:8],
...                 journal=f"{folder}/journal.db", authority=(f"{folder}/ca.pem", f"{folder}/ca.key"),
...             )
...             for machine in machines.machines
...         ))
>>> with tempfile.TemporaryDirectory() as folder:
...     [outcome.control_mode for outcome in asyncio.run(provisioned(folder))]
['admin', 'admin']

The work is done on threads of the package, and no event loop but the caller's runs. Cancelling a task ends what it waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from amtpy._amt import Certificate, Chain, Fleet, Hello, HelloEvent, HelloListener, Outcome, PskPair, provision_async
from amtpy._machine import Properties, _dict, _Machine
from amtpy._types import Sign, _Path, _Uuid
from amtpy._upkeep import AsyncStore, Profile, _done_with, _finish_async, _given, _stored

__all__ = ["HelloEvent", "HelloListener", "Machine", "provision"]


async def provision(
    address: str,
    *,
    uuid: _Uuid,
    journal: _Path | Fleet,
    authority: tuple[_Path, _Path],
    certificate: Certificate | Iterable[Certificate] | None = None,
    psk: Sequence[PskPair | tuple[str, str]] = (),
    legacy_tls: str = "refuse",
    journal_key: _Path | None = None,
    port: int = 16993,
    hello: Hello | None = None,
    suffix: str | None = None,
    host_name: str | None = None,
    domain_name: str | None = None,
    admin_password: str | None = None,
    mebx_password: str | None = None,
    known_admin_passwords: Sequence[str] = (),
    otp: str | None = None,
    progress: Callable[[str], object] | None = None,
    chains: Chain | Sequence[Chain] | None = None,
    sign: Sign | None = None,
    client_certificate: Certificate | None = None,
) -> Outcome:
    """Takes a machine from setup mode to proven admin control mode, as :func:`amtpy.provision` does.

    ``progress`` is called in the thread of the event loop, ``sign`` in a thread of its own. Whoever cancels it ends the attempt; what the
    journal holds stays.
    """
    return await provision_async(
        address,
        uuid=uuid,
        journal=journal,
        authority=authority,
        certificate=certificate,
        psk=psk,
        legacy_tls=legacy_tls,
        journal_key=journal_key,
        port=port,
        hello=hello,
        suffix=suffix,
        host_name=host_name,
        domain_name=domain_name,
        admin_password=admin_password,
        mebx_password=mebx_password,
        known_admin_passwords=known_admin_passwords,
        otp=otp,
        progress=progress,
        chains=chains,
        sign=sign,
        client_certificate=client_certificate,
    )


class Machine(_Machine):
    """As :class:`amtpy.Machine`, with calls to be awaited: ``async with aio.Machine(…) as machine: await machine.get(…)``.

    A call whose task is cancelled is broken off; whether the machine has acted is then unknown, as after a lost connection.
    """

    async def get(self, class_name: str, *, selectors: Mapping[str, Any] | None = None) -> Properties:
        """Reads the only instance of a class, or the one that ``selectors`` name."""
        return await self._session.call_async("get", class_name, None, None, _dict(selectors))  # type: ignore[no-any-return]

    async def enumerate(self, class_name: str) -> list[Properties]:
        """Reads all instances of a class."""
        return await self._session.call_async("enumerate", class_name)  # type: ignore[no-any-return]

    async def put(
        self, class_name: str, properties: Mapping[str, Any], *, selectors: Mapping[str, Any] | None = None
    ) -> Properties:
        """Replaces an instance by this one, whole: what :meth:`get` gave, changed. Returns what the machine has now."""
        return await self._session.call_async("put", class_name, None, dict(properties), _dict(selectors))  # type: ignore[no-any-return]

    async def invoke(
        self,
        class_name: str,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        selectors: Mapping[str, Any] | None = None,
    ) -> Properties:
        """Calls a method, with arguments in the order of its definition. Returns its output.

        Raises :class:`amtpy.WsmanFault` if it returns anything but 0; ``device`` tells what.
        """
        return await self._session.call_async("invoke", class_name, method, _dict(arguments), _dict(selectors))  # type: ignore[no-any-return]

    async def create(self, class_name: str, properties: Mapping[str, Any]) -> Properties | None:
        """Creates an instance. Returns the reference to it, as far as the machine tells it."""
        return await self._session.call_async("create", class_name, None, dict(properties))  # type: ignore[no-any-return]

    async def delete(self, class_name: str, *, selectors: Mapping[str, Any]) -> None:
        """Deletes the instance that ``selectors`` name."""
        await self._session.call_async("delete", class_name, None, None, dict(selectors))

    async def power_state(self) -> dict[str, Any]:
        """How the computer stands (``state``) and what can be done with it now (``available``)."""
        return await self._session.operate_async("power_state")  # type: ignore[no-any-return]

    async def power(
        self, action: Literal["on", "off", "cycle", "reset", "soft-off", "soft-reset", "sleep", "hibernate", "nmi"]
    ) -> dict[str, Any]:
        """Has the computer do something, once, as :meth:`amtpy.Machine.power`."""
        return await self._session.operate_async("power", {"action": action})  # type: ignore[no-any-return]

    async def boot(
        self,
        what: Literal["pxe", "disk", "cd", "bios", "https"],
        *,
        url: str | None = None,
        sol: bool = False,
        then: Literal["reset", "on", "cycle", "none"] | None = None,
    ) -> dict[str, Any] | None:
        """Sets the next boot, for once, and starts the computer, as :meth:`amtpy.Machine.boot`."""
        options = {"action": what, "url": url, "sol": sol, "then": then}
        return await self._session.operate_async("boot", options)  # type: ignore[no-any-return]

    async def boot_state(self) -> dict[str, Any]:
        """How the next boot is set, and what is ``possible``."""
        return await self._session.operate_async("boot_state")  # type: ignore[no-any-return]

    async def clear_boot(self) -> None:
        """Takes back what :meth:`boot` set."""
        await self._session.operate_async("clear_boot")

    async def event_log(self) -> dict[str, Any]:
        """What sensors, BIOS and firmware report, the newest first (``records``)."""
        return await self._session.operate_async("event_log")  # type: ignore[no-any-return]

    async def clear_event_log(self) -> None:
        """Removes all events. Raises :class:`amtpy.WsmanFault` while the log is frozen."""
        await self._session.operate_async("clear_event_log")

    async def freeze_event_log(self, frozen: bool = True) -> None:
        """Keeps new events out, or lets them in again."""
        await self._session.operate_async("freeze_event_log", {"frozen": frozen})

    async def audit_log(self) -> dict[str, Any]:
        """Who did what, the oldest first (``records``)."""
        return await self._session.operate_async("audit_log")  # type: ignore[no-any-return]

    async def inventory(self) -> dict[str, Any]:
        """What the machine is made of: what ``amt inventory --json`` shows."""
        return await self._session.operate_async("inventory")  # type: ignore[no-any-return]

    async def sessions(self) -> dict[str, Any]:
        """Who has serial line, drives and screen: what ``amt sessions --json`` shows. Asking holds nothing."""
        return await self._session.operate_async("sessions")  # type: ignore[no-any-return]

    async def status(self) -> dict[str, Any]:
        """Whether and by whom the machine was set up, its names, firmware and certificate. For ``admin``, over TLS."""
        # Kept until the end: without it the work is given up.
        attempt = self._session.status()
        return await attempt.next_async()  # type: ignore[no-any-return]

    async def configure(
        self,
        profile: Profile,
        *,
        store: AsyncStore,
        record: bytes | None = None,
        authority: tuple[_Path, _Path] | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Makes the machine what a profile says, as :meth:`amtpy.Machine.configure`. A function that stores may be awaited too."""
        keep, known = _stored(store, record)
        return await _finish_async(self._session.configure(*_given(profile), known, authority, dry_run), keep)  # type: ignore[no-any-return]

    async def rotate(
        self, *, store: AsyncStore, record: bytes | None = None, password: str | None = None
    ) -> dict[str, Any]:
        """Gives ``admin`` another password, as :meth:`amtpy.Machine.rotate`. A function that stores may be awaited too."""
        keep, known = _stored(store, record)
        return await _finish_async(self._session.rotate(known, password), keep)  # type: ignore[no-any-return]

    async def renew(
        self, *, authority: tuple[_Path, _Path], store: AsyncStore, record: bytes | None = None, at_percent: int | None = None
    ) -> dict[str, Any]:
        """Gives the machine another certificate, as :meth:`amtpy.Machine.renew`. A function that stores may be awaited too."""
        keep, known = _stored(store, record)
        done = await _finish_async(self._session.renew(known, at_percent, authority), keep)
        _done_with(keep)
        return done  # type: ignore[no-any-return]

    async def unprovision(
        self, extent: Literal["full", "partial"], *, store: AsyncStore, record: bytes | None = None, dry_run: bool = False
    ) -> dict[str, Any]:
        """Takes the setup of the machine back, as :meth:`amtpy.Machine.unprovision`. A function that stores may be awaited too."""
        keep, known = _stored(store, record)
        return await _finish_async(self._session.unprovision(extent, known, dry_run), keep)  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Disconnects. Further calls raise :class:`amtpy.ArgumentError`."""
        await self._session.close_async()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
