"""Types of the extension module. Import from :mod:`amtpy` instead."""

import os
import uuid as _uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, final

from typing_extensions import Buffer

from amtpy._types import Answer

__all__ = [
    "Certificate",
    "Credential",
    "Events",
    "Finding",
    "Fleet",
    "Hello",
    "Outcome",
    "Root",
    "SetupServer",
    "Token",
    "enroll",
    "preflight",
    "provision",
]

_Path = str | os.PathLike[str]
_Uuid = str | _uuid.UUID
_Document = dict[str, Any]
_Facts = Mapping[str, str | Sequence[str]]

@final
class Hello:
    """What a machine that waits for setup says to port 9971."""

    @staticmethod
    def parse(data: Buffer, /) -> Hello:
        """Decode one whole hello. Raises `DecodeError`, which names field and offset."""

    def encode(self) -> bytes:
        """The hello as it travels, without trailing bytes."""

    @property
    def type(self) -> Literal["pki", "psk", "other"]:
        """`"pki"` or `"psk"`: what the machine waits for."""

    @property
    def retry(self) -> int:
        """How often the machine said hello before in this round."""

    @property
    def admin_credentials_set(self) -> bool:
        """Whether the factory password of the administrator was changed already."""

    @property
    def uuid(self) -> str:
        """The machine's UUID, lower case."""

    @property
    def pid(self) -> str | None:
        """The name of the pre-shared key, `XXXX-XXXX`; `None` for a PKI hello."""

    @property
    def roots(self) -> tuple[Root, ...]:
        """The root certificates that the machine trusts, in the order sent; empty for a PSK hello."""

    @property
    def trailing(self) -> int:
        """Number of bytes after the hello: harmless, but worth a warning."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Root:
    """The fingerprint of a root certificate that a machine trusts."""

    @property
    def algorithm(self) -> str:
        """The hash algorithm: `"sha1"`, `"sha256"`, `"sha384"`, or `"unknown(N)"`."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the whole certificate, lower-case hex."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Finding:
    """One result of a check."""

    @property
    def code(self) -> str:
        """Stable code, for example `ROOT-NOHASH`."""

    @property
    def severity(self) -> Literal["error", "warning", "info"]:
        """`"error"`, `"warning"` or `"info"`."""

    @property
    def field(self) -> str:
        """The certificate, record or field it is about."""

    @property
    def message(self) -> str:
        """What is wrong."""

    @property
    def hint(self) -> str:
        """What to do about it."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Certificate:
    """A provisioning certificate with its chain and private key."""

    def __new__(
        cls,
        *,
        pfx: _Path | Buffer | None = None,
        pem: _Path | Buffer | None = None,
        key: _Path | Buffer | None = None,
        password: str | None = None,
    ) -> Certificate: ...
    @property
    def sha256(self) -> str:
        """SHA-256 of the leaf, lower-case hex."""

@final
class Outcome:
    """What a provisioned machine has proven. Holds its password: neither `repr` nor `str` shows it."""

    @property
    def uuid(self) -> str:
        """The machine."""

    @property
    def control_mode(self) -> str:
        """How the machine says it is controlled: `"admin"`."""

    @property
    def tls_version(self) -> str:
        """TLS version of the connection on which the new password was taken."""

    @property
    def tls_engine(self) -> str:
        """Engine of that connection: `"rustls"`, or `"openssl"` for firmware before AMT 14."""

    @property
    def tls_suite(self) -> str:
        """Cipher suite of that connection, by its IANA name."""

    @property
    def firmware(self) -> str | None:
        """Firmware version, if the machine told it."""

    @property
    def admin_password(self) -> str:
        """The password of `admin`, as proven."""

    @property
    def certificate(self) -> bytes:
        """The certificate (DER) of the machine's TLS server, to be pinned when connecting."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def preflight(
    *,
    pfx: _Path | Buffer | None = None,
    pem: _Path | Buffer | None = None,
    key: _Path | Buffer | None = None,
    password: str | None = None,
    hello: Hello | None = None,
    suffix: str | None = None,
    firmware: str | None = None,
) -> list[Finding]:
    """Every reason why a certificate would not provision a machine, most basic first; empty if there is none.

    The certificate comes as `pfx`, or as `pem` with the key in it or in `key`: each a path or the bytes themselves. What is not
    known of the machine is left out and not checked. `suffix=""` says that its network has no DNS suffix.
    """

def provision(
    address: str,
    *,
    uuid: _Uuid,
    journal: _Path,
    authority: tuple[_Path, _Path],
    certificate: Certificate | Iterable[Certificate] | None = None,
    psk: Sequence[tuple[str, str]] = ...,
    legacy_tls: str = "refuse",
    journal_key: _Path | None = None,
    port: int = 16993,
    hello: Hello | None = None,
    suffix: str | None = None,
    host_name: str | None = None,
    domain_name: str | None = None,
    admin_password: str | None = None,
    mebx_password: str | None = None,
    known_admin_passwords: Sequence[str] = ...,
    otp: str | None = None,
    progress: Callable[[str], object] | None = None,
) -> Outcome:
    """Take a machine from setup mode to proven admin control mode; blocks until it is done.

    The journal is a SQLite file with a key file beside it, both made on first use: called again with the same journal, an attempt
    that broke off is gone on with. Firmware before AMT 11 may wait for a pre-shared pair instead of `certificate`: `psk` is a list of
    (PID, PPS), and `legacy_tls="allow"` consents to the old TLS that it speaks. The machine's certificate is signed by the authority in `authority`, a pair of paths
    of certificate and key (PEM), made on first use as well. Passwords that are not given are generated. `progress` is
    called with the name of every step. Ctrl-C ends the attempt; what the journal holds stays.
    """

@final
class Fleet:
    """The database of a fleet: machines, what is said of them, who may enrol, collections.

    Several programs may use one database at a time; one of them may be its setup server. A context manager, which closes it.
    """

    def __new__(cls, path: _Path, key_file: _Path | None = None) -> Fleet:
        """Opens the database at `path`, or makes it, with the key in `key_file`, made together with a new database; absent: `path`
        with `.key`."""

    def machines(
        self, where: str | None = None, *, sort: str | None = None, limit: int | None = None
    ) -> list[_Document]:
        """Every machine that fits the filter `where`, such as `"verified and version >= 16"`; sorted by a field, `"name"` or,
        downwards, `"-hello"`. The documents are those of `amt fleet list --json`."""

    def machine(self, uuid: _Uuid) -> _Document:
        """One machine. Raises `AmtError` with the name `MACHINE_UNKNOWN`."""

    def facts(self, uuid: _Uuid, *, history: bool = False) -> list[_Document]:
        """What is said of a machine and by whom, the most trusted source of each key first; with `history`, what was ever said,
        oldest first."""

    def diary(self, uuid: _Uuid, *, limit: int = 200) -> list[_Document]:
        """The last lines of a machine's diary, oldest first."""

    def credentials(self, uuid: _Uuid) -> list[Credential]:
        """The passwords that may open a machine, likeliest first within each kind."""

    def report(self, uuid: _Uuid, source: str, facts: _Facts) -> bool:
        """Records what `source` (`"operator"`, `"list"`, …) says of a machine that is known: `{"fqdn": "pc1.example.com",
        "label": ["a", "b"]}`. Of every key named, what the same source said before ends. Returns whether anything is new."""

    def release(self, uuid: _Uuid, *, by: str, boot: bool = False, address: str | None = None) -> None:
        """Lets a machine in, or with `boot` a boot action fire once, whatever the guard says; `by` tells the diary who decided
        that. Of several machines with this UUID, the one at `address` is meant."""

    def redo(self, uuid: _Uuid) -> None:
        """Has a verified machine provisioned again when it says hello next. Its known passwords are kept."""

    def new_token(
        self, *, uses: int = 1, expires: float | None = None, uuid: _Uuid | None = None, note: str | None = None
    ) -> Token:
        """Makes a token with which so many machines may enrol, for `expires` seconds (absent: for ever), or with `uuid` that
        machine alone."""

    def revoke_token(self, number: int) -> None:
        """Lets nobody enrol with a token any more; machines that did stay enrolled."""

    def collection(self, name: str, where: str) -> list[_Document]:
        """Makes the collection `name` of the machines that fit the filter `where`, or gives it this filter. Returns who joined
        and who left."""

    def collections(self) -> list[_Document]:
        """Every collection: `name`, `filter`, `created_at`, `members`."""

    def members(self, name: str) -> list[_Document]:
        """The machines of a collection."""

    def remove_collection(self, name: str) -> None:
        """Gives a collection up; its machines are not touched."""

    def close(self) -> None:
        """Closes the database after everything is written. Raises `ArgumentError` while a setup server runs on it."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

@final
class Token:
    """A token that clients enrol with. Neither `repr` nor `str` shows it: `reveal()` does."""

    @property
    def number(self) -> int:
        """Its number, to speak of it."""

    def reveal(self) -> str:
        """The token itself, as `amt enroll --token-file` takes it."""

@final
class Credential:
    """A password of a machine. Neither `repr` nor `str` shows it."""

    @property
    def kind(self) -> Literal["admin", "mebx"]:
        """What it opens: `"admin"`, the network administrator, or `"mebx"`, the setup menu."""

    @property
    def account(self) -> str:
        """Account."""

    @property
    def password(self) -> str:
        """The password."""

@final
class SetupServer:
    """Waits for hellos and provisions the machines that say them; with `intake`, clients on the machines report to it.

    What `config`, the path of a configuration file, leaves out or says otherwise is given by the other arguments. `resolver` is
    called with a dict for every machine about which something is new and answers with a dict or None; it is asked after the rules
    and the program of the configuration. A context manager, which starts and stops it.
    """

    def __new__(
        cls,
        fleet: Fleet,
        *,
        config: _Path | None = None,
        listen: str | Sequence[str] | None = None,
        certificate: Certificate | Iterable[Certificate] | None = None,
        ca: tuple[_Path, _Path] | None = None,
        dns_suffixes: Sequence[str] | None = None,
        admit: Literal["known", "auto"] | None = None,
        resolver: Callable[[_Document], Answer | Mapping[str, Any] | None] | None = None,
        resolver_timeout: float = 30.0,
        intake: str | Sequence[str] | None = None,
        port: int | None = None,
    ) -> SetupServer: ...
    def start(self) -> None:
        """Binds the ports and serves in the background, beside whatever Python does. What was unfinished is taken up."""

    def stop(self) -> None:
        """Lets what runs come to an end, for ten seconds at most; what is unfinished then is taken up at the next start. Raises
        what ended the server before, if anything did. A server that does not run is left alone."""

    def events(self, timeout: float | None = None) -> Events:
        """What happens, each event once, whoever reads it, from the start on: dicts with `at`, `event`, `uuid`, `address`,
        `message` and what is particular to the event, as of `amt serve --json`. Ends when the server has, or after `timeout`
        seconds."""

    @property
    def running(self) -> bool:
        """Whether it serves."""

    @property
    def addresses(self) -> list[str]:
        """Where hellos are waited for; the port that was chosen where 0 was asked for. Empty while it does not run."""

    @property
    def intake_addresses(self) -> list[str]:
        """Where clients report: what follows `https://` in `amt enroll --server`. Empty without an intake."""

    @property
    def pin(self) -> str | None:
        """SHA-256 (hex) of the intake's certificate, by which clients know it; None without an intake."""

    @property
    def warnings(self) -> list[Finding]:
        """What the configuration allows itself that is worth a warning."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

@final
class Events:
    """Iterator over events."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> _Document: ...

def enroll(
    server: str,
    token: str | Token | None = None,
    *,
    name: str | None = None,
    pin: str | None = None,
    ca: _Path | None = None,
    uuid: _Uuid | None = None,
    facts: _Facts | None = None,
    state: _Path | None = None,
    wait: bool = True,
    timeout: float = 3600.0,
    progress: Callable[[_Document], object] | None = None,
) -> _Document:
    """Enrol a machine at the intake of a setup server and wait until it is provisioned. Returns its status.

    Without `uuid` it is the machine that this runs on: UUID, model, serial number and network addresses are read, which takes
    root; with `uuid` only what `name` and `facts` say is told. The server is believed by `pin`, by the roots in the file `ca`, or
    by those of the system. The machine's key is kept in the file `state`: with it the token is needed once only; without, the key
    is forgotten at the end. `progress` is called with a dict whenever something is new. With `wait=False` it ends as soon as the
    report is taken. Raises `AmtTimeout` when the time is over first, and `AmtError` with the name `ENROLMENT` if the server
    refuses.
    """
