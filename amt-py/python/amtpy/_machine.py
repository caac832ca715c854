"""One machine by WS-Man: what :class:`amtpy.Machine` is."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from amtpy._amt import Certificate, Session
from amtpy._types import _Path
from amtpy._upkeep import Profile, Store, _done_with, _finish, _given, _stored

#: Properties of an instance by name: text, lists of what repeats, dicts of structures and references.
Properties = dict[str, Any]


class Tls(NamedTuple):
    """What a TLS handshake brought."""

    #: ``TLS 1.0`` to ``TLS 1.3``.
    version: str
    #: Suite, by its IANA name.
    suite: str
    #: ``rustls`` or ``openssl``.
    engine: str


class _Machine:
    """What the blocking and the awaited one have in common."""

    def __init__(
        self,
        host: str,
        *,
        password: str,
        user: str = "admin",
        port: int | None = None,
        certificate: bytes | None = None,
        pin: str | None = None,
        ca: _Path | bytes | None = None,
        name: str | None = None,
        insecure_any: bool = False,
        plain: bool = False,
        client_certificate: Certificate | None = None,
        legacy_tls: str = "refuse",
        timeout: float = 60.0,
    ) -> None:
        self._session = Session(
            host, password, user, port, certificate, pin, ca, name, insecure_any, plain, client_certificate, legacy_tls,
            timeout,
        )

    @property
    def version(self) -> str | None:
        """Firmware version, once something was answered."""
        return self._session.version

    @property
    def tls(self) -> Tls | None:
        """What the last TLS handshake brought; ``None`` before the first, and without TLS."""
        tls = self._session.tls
        return None if tls is None else Tls(*tls)

    def __repr__(self) -> str:
        host, port = self._session.place
        return f"{type(self).__name__}({host!r}, port={port})"


class Machine(_Machine):
    """A machine that is set up: any WS-Man class of it, as dicts. It connects at the first call.

    One way of knowing that it is the right machine has to be chosen: ``certificate``, its own as DER (``Outcome.certificate``); ``pin``,
    the SHA-256 of that in hex; ``ca``, authorities in PEM, with ``name`` if its certificate has another name than ``host``;
    ``insecure_any=True`` for whoever answers; or ``plain=True`` for no TLS at all, before firmware 16.1. To a machine with mutual TLS
    ``client_certificate`` is shown: a :class:`Certificate`, its issuers and key with it. ``legacy_tls="allow"`` consents to the old TLS
    that AMT before 14 speaks, ``"allow-weak"`` to RC4 and 3DES too. ``timeout`` is for a whole call,
    in seconds. Calls from several threads are made one at a time. A context manager, which disconnects.

    >>> import amtpy, tempfile
    >>> from amtpy.sim import VirtualMachines
    >>> with tempfile.TemporaryDirectory() as folder, VirtualMachines() as machines:
    ...     done = amtpy.provision(
    ...         machines[0].address, uuid=machines[0].uuid, certificate=machines.certificate, suffix=machines.suffix, host_name="pc1",
    ...         journal=f"{folder}/journal.db", authority=(f"{folder}/ca.pem", f"{folder}/ca.key"),
    ...     )
    ...     with Machine(machines[0].address, password=done.admin_password, certificate=done.certificate) as machine:
    ...         settings = machine.get("AMT_GeneralSettings")
    ...         settings["HostName"] = "pc" + settings["HostName"][-1] * 2
    ...         machine.put("AMT_GeneralSettings", settings)["HostName"]
    'pc11'
    """

    def get(self, class_name: str, *, selectors: Mapping[str, Any] | None = None) -> Properties:
        """Reads the only instance of a class, or the one that ``selectors`` name."""
        return self._session.call("get", class_name, None, None, _dict(selectors))  # type: ignore[no-any-return]

    def enumerate(self, class_name: str) -> list[Properties]:
        """Reads all instances of a class."""
        return self._session.call("enumerate", class_name)  # type: ignore[no-any-return]

    def put(
        self, class_name: str, properties: Mapping[str, Any], *, selectors: Mapping[str, Any] | None = None
    ) -> Properties:
        """Replaces an instance by this one, whole: what :meth:`get` gave, changed. Returns what the machine has now."""
        return self._session.call("put", class_name, None, dict(properties), _dict(selectors))  # type: ignore[no-any-return]

    def invoke(
        self,
        class_name: str,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        selectors: Mapping[str, Any] | None = None,
    ) -> Properties:
        """Calls a method, with arguments in the order of its definition. Returns its output.

        Raises :class:`WsmanFault` if it returns anything but 0; ``device`` tells what.
        """
        return self._session.call("invoke", class_name, method, _dict(arguments), _dict(selectors))  # type: ignore[no-any-return]

    def create(self, class_name: str, properties: Mapping[str, Any]) -> Properties | None:
        """Creates an instance. Returns the reference to it, as far as the machine tells it."""
        return self._session.call("create", class_name, None, dict(properties))  # type: ignore[no-any-return]

    def delete(self, class_name: str, *, selectors: Mapping[str, Any]) -> None:
        """Deletes the instance that ``selectors`` name."""
        self._session.call("delete", class_name, None, None, dict(selectors))

    def power_state(self) -> dict[str, Any]:
        """How the computer stands (``state``) and what can be done with it now (``available``)."""
        return self._session.operate("power_state")  # type: ignore[no-any-return]

    def power(
        self, action: Literal["on", "off", "cycle", "reset", "soft-off", "soft-reset", "sleep", "hibernate", "nmi"]
    ) -> dict[str, Any]:
        """Has the computer do something, once: what is not possible now is refused before it is sent.

        ``soft-off``, ``soft-reset``, ``sleep`` and ``hibernate`` need Intel's agent (LMS) in the operating system. ``answer`` is ``"lost"`` where the
        firmware's answer was lost and the state shows that it was done.
        """
        return self._session.operate("power", {"action": action})  # type: ignore[no-any-return]

    def boot(
        self,
        what: Literal["pxe", "disk", "cd", "bios", "https"],
        *,
        url: str | None = None,
        sol: bool = False,
        then: Literal["reset", "on", "cycle", "none"] | None = None,
    ) -> dict[str, Any] | None:
        """Sets the next boot, for once, and starts the computer: a reset if it runs, on if it is off, or what ``then`` says.

        ``url`` goes with ``"https"`` (AMT 16 and later), ``sol`` sends the console over the network. Returns what became of the power, as :meth:`power`.
        """
        return self._session.operate("boot", {"action": what, "url": url, "sol": sol, "then": then})  # type: ignore[no-any-return]

    def boot_state(self) -> dict[str, Any]:
        """How the next boot is set, and what is ``possible``."""
        return self._session.operate("boot_state")  # type: ignore[no-any-return]

    def clear_boot(self) -> None:
        """Takes back what :meth:`boot` set."""
        self._session.operate("clear_boot")

    def event_log(self) -> dict[str, Any]:
        """What sensors, BIOS and firmware report, the newest first (``records``)."""
        return self._session.operate("event_log")  # type: ignore[no-any-return]

    def clear_event_log(self) -> None:
        """Removes all events. Raises :class:`WsmanFault` while the log is frozen."""
        self._session.operate("clear_event_log")

    def freeze_event_log(self, frozen: bool = True) -> None:
        """Keeps new events out, or lets them in again."""
        self._session.operate("freeze_event_log", {"frozen": frozen})

    def audit_log(self) -> dict[str, Any]:
        """Who did what, the oldest first (``records``). The user needs realm 20 (audit log) or 3 (administration)."""
        return self._session.operate("audit_log")  # type: ignore[no-any-return]

    def inventory(self) -> dict[str, Any]:
        """What the machine is made of: what ``amt inventory --json`` shows."""
        return self._session.operate("inventory")  # type: ignore[no-any-return]

    def sessions(self) -> dict[str, Any]:
        """Who has serial line, drives and screen: what ``amt sessions --json`` shows. Asking holds nothing."""
        return self._session.operate("sessions")  # type: ignore[no-any-return]

    def status(self) -> dict[str, Any]:
        """Whether and by whom the machine was set up, its names, firmware and certificate. For ``admin``, over TLS."""
        return self._session.status().next()  # type: ignore[no-any-return]

    def configure(
        self,
        profile: Profile,
        *,
        store: Store,
        record: bytes | None = None,
        authority: tuple[_Path, _Path] | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Makes the machine what a profile says: reads, compares, writes only what differs, and reads it back.

        ``profile`` is a file (TOML, or JSON if its name ends in ``.json``), or the document as a dict; files that it names are looked for in its folder.
        ``store`` gets the record before anything is written: a file, or a function that has stored the bytes when it returns. It holds keyed
        digests of the secrets that were written last, so that they are not written again and again; a function also gives it back, as
        ``record``. ``authority``, as for :func:`amtpy.provision`, signs the certificate by which the machine logs in to its network (802.1X with
        ``tls`` or ``fast-tls``). ``dry_run`` writes nothing. Returns ``changes``, ``unsupported``, and ``writes``, the number of requests that wrote something.
        """
        keep, known = _stored(store, record)
        return _finish(self._session.configure(*_given(profile), known, authority, dry_run), keep)  # type: ignore[no-any-return]

    def rotate(self, *, store: Store, record: bytes | None = None, password: str | None = None) -> dict[str, Any]:
        """Gives ``admin`` another password, a strong one that is made up unless it is given. Returns whether it ``changed``.

        ``store`` gets the machine's record, with the new password and the old one, before the new one is sent, and with the new one alone after
        a login has proven it. It is a file, readable by its owner only, or a function that has stored the bytes when it returns:
        they hold passwords in clear. What broke off is gone on with: from the file, or from ``record``. This object keeps its old password;
        :func:`amtpy.record_passwords` reads the new one.
        """
        keep, known = _stored(store, record)
        return _finish(self._session.rotate(known, password), keep)  # type: ignore[no-any-return]

    def renew(
        self, *, authority: tuple[_Path, _Path], store: Store, record: bytes | None = None, at_percent: int | None = None
    ) -> dict[str, Any]:
        """Gives the machine another certificate with a new key pair; the old one goes after a login under the new.

        ``authority`` is as for :func:`amtpy.provision`. ``at_percent`` renews only what has so much of its life behind it. ``store`` and ``record`` are
        as for :meth:`rotate`, with a record of its own, of no more use after the end: the file is removed then. Returns ``changed``,
        ``certificate_sha256``, which is the new ``pin``, and ``not_after``.
        """
        keep, known = _stored(store, record)
        done = _finish(self._session.renew(known, at_percent, authority), keep)
        _done_with(keep)
        return done  # type: ignore[no-any-return]

    def unprovision(
        self, extent: Literal["full", "partial"], *, store: Store, record: bytes | None = None, dry_run: bool = False
    ) -> dict[str, Any]:
        """Takes the setup of the machine back, over the network. ``dry_run`` says what it would mean (``consequences``) and changes nothing.

        ``store`` and ``record`` are as for :meth:`rotate`; keep the record, since firmware differs in which passwords it forgets. The request is
        sent once: if its answer is lost, ``proof`` tells what showed that the setup is gone. Returns ``before``, ``changed``, ``proof``, ``remains``.
        """
        keep, known = _stored(store, record)
        return _finish(self._session.unprovision(extent, known, dry_run), keep)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Disconnects. Further calls raise :class:`ArgumentError`."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _dict(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if given is None else dict(given)
