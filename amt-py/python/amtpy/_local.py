"""The firmware of the machine that this program runs on: what :class:`amtpy.LocalMachine` is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from amtpy import _amt
from amtpy._amt import Certificate, Chain, Fleet, LocalOutcome
from amtpy._types import Sign, _Path


class LocalMachine:
    """The firmware of this machine, asked from its own system. Needs root on Linux, Administrator or SYSTEM on Windows.

    ``device`` is another device file of the management engine interface than the system's own. ``route`` is the way to the firmware's network
    services: ``"lms"``, the local management service at ``lms`` (absent: 127.0.0.1), ``"lme"``, directly, or ``"auto"``. Every method blocks and
    lets other threads run meanwhile; ``asyncio.to_thread`` awaits it.

    >>> LocalMachine(route="lme")
    LocalMachine(None, route='lme')
    """

    def __init__(
        self, device: _Path | None = None, *, route: Literal["auto", "lms", "lme"] = "auto", lms: str | None = None
    ) -> None:
        self._reach = (device, route, lms)

    def status(self) -> dict[str, Any]:
        """What the firmware says of itself and what would stop provisioning (``findings``): what ``amt info --json`` shows. Changes nothing."""
        return _amt.local_status(self._reach)

    def activate(
        self,
        mode: Literal["client", "admin"],
        *,
        journal: _Path | Fleet,
        journal_key: _Path | None = None,
        certificate: Certificate | Iterable[Certificate] | None = None,
        suffix: str | None = None,
        host_name: str | None = None,
        admin_password: str | None = None,
        mebx_password: str | None = None,
        enable: bool = False,
        secure: bool = False,
        progress: Callable[[str], object] | None = None,
        chains: Chain | Sequence[Chain] | None = None,
        sign: Sign | None = None,
    ) -> LocalOutcome:
        """Take this machine to a control mode without a server.

        The passwords are in the journal, a SQLite file or a :class:`Fleet`, before the firmware gets them; an attempt that broke off is gone on
        with. Admin control mode needs a ``certificate`` whose root the firmware trusts. ``enable`` switches AMT on where it is off; ``secure``
        sets admin control mode up over TLS also where the firmware does not demand it. Passwords that are not given are generated; the host
        name is the system's own unless one is given.
        """
        return _amt.local_activate(
            self._reach, mode, journal, journal_key, certificate, suffix, host_name, admin_password, mebx_password, enable, secure, progress,
            chains, sign,
        )

    def unprovision(
        self,
        *,
        journal: _Path | Fleet,
        journal_key: _Path | None = None,
        extent: Literal["full", "partial"] = "full",
        known_admin_passwords: Sequence[str] = (),
        progress: Callable[[str], object] | None = None,
    ) -> LocalOutcome:
        """Take the setup of this machine back.

        Admin control mode needs the administrator's password: in the journal, or among ``known_admin_passwords``. After ``"partial"`` names, the
        administrator's login and the setup server's address stay.
        """
        return _amt.local_unprovision(self._reach, extent, journal, journal_key, list(known_admin_passwords), progress)

    def __repr__(self) -> str:
        device, route, _ = self._reach
        return f"LocalMachine({device!r}, route={route!r})"
