"""Types of the extension module. Import from :mod:`amtpy` instead."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, final

from typing_extensions import Buffer

from amtpy._exceptions import AmtError
from amtpy._types import Answer, Sign, _Document, _Facts, _Path, _Uuid

__all__ = [
    "Attempt", "Certificate", "Chain", "Credential", "Events", "Finding", "Fleet", "GeneralSettings", "Hello", "HelloEvent",
    "HelloListener", "LocalOutcome", "Outcome", "PskPair", "Root", "Session", "SetupBin", "SetupServer", "Token",
    "VirtualMachine", "VirtualMachines", "capabilities", "check_profile", "decode", "discover", "enroll", "local_activate", "local_status",
    "local_unprovision", "preflight", "provision", "provision_async", "record_passwords",
]

_Pair = PskPair | tuple[str, str]

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
class Chain:
    """A provisioning certificate with its chain, and without its private key: that stays on a server or in a module, and whoever has it signs."""

    def __new__(cls, pem: _Path | Buffer) -> Chain: ...
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
    *, pfx: _Path | Buffer | None = None, pem: _Path | Buffer | None = None, key: _Path | Buffer | None = None,
    password: str | None = None, hello: Hello | None = None, suffix: str | None = None, firmware: str | None = None,
) -> list[Finding]:
    """Every reason why a certificate would not provision a machine, most basic first; empty if there is none.

    The certificate comes as `pfx`, or as `pem` with the key in it or in `key`: each a path or the bytes themselves. What is not
    known of the machine is left out and not checked. `suffix=""` says that its network has no DNS suffix.
    """

def provision(
    address: str, *, uuid: _Uuid, journal: _Path | Fleet, authority: tuple[_Path, _Path], certificate: Certificate |
    Iterable[Certificate] | None = None, psk: Sequence[_Pair] = ..., legacy_tls: str = "refuse", journal_key: _Path |
    None = None, port: int = 16993, hello: Hello | None = None, suffix: str | None = None, host_name: str | None = None,
    domain_name: str | None = None, admin_password: str | None = None, mebx_password: str | None = None,
    known_admin_passwords: Sequence[str] = ..., otp: str | None = None, progress: Callable[[str], object] | None = None,
    chains: Chain | Sequence[Chain] | None = None, sign: Sign | None = None, client_certificate: Certificate | None = None,
) -> Outcome:
    """Take a machine from setup mode to proven admin control mode; blocks until it is done.

    The journal is a SQLite file with a key file beside it, both made on first use, or a `Fleet`, which many attempts may share: called again
    with the same journal, an attempt that broke off is gone on with. Firmware before AMT 11 may wait for a pre-shared pair instead of
    `certificate`: `psk` is a list of `PskPair` or (PID, PPS), and `legacy_tls="allow"` consents to the old TLS that it speaks. The machine's
    certificate is signed by the authority in `authority`, a pair of paths of certificate and key (PEM), made on first use as well. Passwords
    that are not given are generated; a `host_name` is needed wherever addresses come by DHCP. `progress` is called with the name of every step.
    `chains` are certificates for whose keys `sign(index, data)` signs, in a thread of its own, within 20 seconds: it gets the position of the
    chain and returns an RSA signature, PKCS#1 v1.5 over the SHA-256 of `data`. What it raises ends the attempt as `SIGNER`. For AMT 14 and
    later. `client_certificate` is shown to a machine that turns out to be set up already, with mutual TLS: without it that is told as
    `TLS_CHAIN_REFUSED`. Ctrl-C ends the attempt; what the journal holds stays.
    """

def provision_async(
    address: str, *, uuid: _Uuid, journal: _Path | Fleet, authority: tuple[_Path, _Path], certificate: Certificate |
    Iterable[Certificate] | None = None, psk: Sequence[_Pair] = ..., legacy_tls: str = "refuse", journal_key: _Path |
    None = None, port: int = 16993, hello: Hello | None = None, suffix: str | None = None, host_name: str | None = None,
    domain_name: str | None = None, admin_password: str | None = None, mebx_password: str | None = None,
    known_admin_passwords: Sequence[str] = ..., otp: str | None = None, progress: Callable[[str], object] | None = None,
    chains: Chain | Sequence[Chain] | None = None, sign: Sign | None = None, client_certificate: Certificate | None = None,
) -> asyncio.Future[Outcome]:
    """As `amtpy.provision`, to be awaited. `progress` is called in the thread of the event loop. Whoever cancels it ends the attempt."""

_Reach = tuple[_Path | None, str, str | None]

@final
class LocalOutcome:
    """How this machine stands after its setup was made or taken back. Holds a password: neither `repr` nor `str` shows it."""

    @property
    def uuid(self) -> str:
        """The machine."""
    @property
    def control_mode(self) -> str:
        """How it is controlled now: `"client"`, `"admin"` or `"none"`."""
    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
    @property
    def firmware(self) -> str:
        """Firmware version."""
    @property
    def admin_password(self) -> str:
        """The password of `admin` by the journal; empty if none is known."""

def discover(targets: Sequence[str], *, rate: int = 20, timeout: float = 2.0) -> list[dict[str, Any]]:
    """What is at addresses, seen from outside, without a password and without changing anything: the dicts of `amt discover --json`.

    `targets` are names, addresses (`"fe80::1%eth0"` with its interface), networks (`"10.0.0.0/24"`) and ranges (`"10.0.0.10-20"`). Every
    address gives one dict, also where nothing answers (`standing` is then `"silent"`). `rate` limits the addresses that are begun in a second, `timeout` is for each connection, in seconds.
    """

def local_status(reach: _Reach) -> dict[str, Any]: ...
def local_activate(
    reach: _Reach, mode: str, journal: _Path | Fleet, journal_key: _Path | None,
    certificate: Certificate | Iterable[Certificate] | None, suffix: str | None, host_name: str | None,
    admin_password: str | None, mebx_password: str | None, enable: bool, secure: bool, progress: Callable[[str], object] | None,
    chains: Chain | Sequence[Chain] | None, sign: Sign | None,
) -> LocalOutcome: ...
def local_unprovision(
    reach: _Reach, extent: str, journal: _Path | Fleet, journal_key: _Path | None, known_admin_passwords: Sequence[str],
    progress: Callable[[str], object] | None,
) -> LocalOutcome: ...

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
        """Closes the database after everything is written. Raises `ArgumentError` while a setup server or an attempt uses it."""

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
    and the program of the configuration. `chains` are provisioning certificates for whose keys `sign` signs, as in `amtpy.provision`.
    A context manager, which starts and stops it.
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
        chains: Chain | Sequence[Chain] | None = None,
        sign: Sign | None = None,
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
    server: str, token: str | Token | None = None, *, name: str | None = None, pin: str | None = None, ca: _Path |
    None = None, uuid: _Uuid | None = None, facts: _Facts | None = None, state: _Path | None = None, wait: bool =
    True, timeout: float = 3600.0, progress: Callable[[_Document], object] | None = None,
) -> _Document:
    """Enrol a machine at the intake of a setup server and wait until it is provisioned. Returns its status.

    Without `uuid` it is the machine that this runs on: UUID, model, serial number and network addresses are read, which takes
    root; with `uuid` only what `name` and `facts` say is told. The server is believed by `pin`, by the roots in the file `ca`, or
    by those of the system. The machine's key is kept in the file `state`: with it the token is needed once only; without, the key
    is forgotten at the end. `progress` is called with a dict whenever something is new. With `wait=False` it ends as soon as the
    report is taken. Raises `AmtTimeout` when the time is over first, and `AmtError` with the name `ENROLMENT` if the server
    refuses.
    """

@final
class GeneralSettings:
    """`AMT_GeneralSettings`: names, network and privacy settings of a machine. What its firmware leaves out is `None`."""

    @staticmethod
    def parse(reply: Buffer, /) -> GeneralSettings:
        """Reads the instance in a reply to Get, Put or Pull: the whole SOAP envelope. Raises `DecodeError`, which names the
        property, or `WsmanFault`."""
    @property
    def digest_realm(self) -> str:
        """Realm of HTTP digest: `Digest:` and 32 hexadecimal digits."""
    @property
    def host_name(self) -> str | None:
        """Host name without domain."""
    @property
    def domain_name(self) -> str | None:
        """Domain."""
    @property
    def host_os_fqdn(self) -> str | None:
        """Name that the operating system gave itself."""
    @property
    def shared_fqdn(self) -> bool | None:
        """Whether host and AMT share one name."""
    @property
    def network_enabled(self) -> int | None:
        """1 when AMT has the network."""
    @property
    def network_interface_enabled(self) -> bool | None:
        """Whether the network interface is on."""
    @property
    def ping_response_enabled(self) -> bool | None:
        """Whether it answers ICMP echo requests."""
    @property
    def rmcp_ping_response_enabled(self) -> bool | None:
        """Whether it answers RMCP pings."""
    @property
    def wsman_only_mode(self) -> bool | None:
        """Whether the older SOAP interface is off."""
    @property
    def privacy_level(self) -> int | None:
        """0 default, 1 enhanced, 2 extreme."""
    @property
    def power_source(self) -> int | None:
        """0 mains, 1 battery."""
    @property
    def idle_wake_timeout(self) -> int | None:
        """Minutes until AMT sleeps."""
    @property
    def ddns_update_enabled(self) -> bool | None:
        """Whether AMT updates DNS by itself."""
    @property
    def ddns_update_by_dhcp_server_enabled(self) -> bool | None:
        """Whether the DHCP server updates DNS for it."""
    @property
    def ddns_periodic_update_interval(self) -> int | None:
        """Minutes between updates of DNS."""
    @property
    def ddns_ttl(self) -> int | None:
        """Seconds that a DNS record lives."""
    @property
    def preferred_address_family(self) -> int | None:
        """0 IPv4, 1 IPv6."""
    @property
    def dhcpv6_configuration_timeout(self) -> int | None:
        """Seconds; 0 for unlimited."""
    @property
    def presence_notification_interval(self) -> int | None:
        """Seconds between presence notifications; 0 for none."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def decode(envelope: Buffer, /) -> _Document:
    """What a saved SOAP envelope says, whatever the class: the dict that `amt wsman decode --json` prints."""

def capabilities(version: str, /) -> _Document:
    """What a firmware version, such as `"16.1"` or `"11.8.65.3590"`, can do: the dict that `amt capabilities --json` prints."""

@final
class Attempt:
    """Takes turns: bytes are a record to be stored, everything else is the end."""

    def next(self) -> Any: ...
    def next_async(self) -> asyncio.Future[Any]: ...
    def stored(self, reason: str | None = None) -> None: ...

def check_profile(file: _Path | None, document: str | None, firmware: str | None) -> list[Finding]: ...

def record_passwords(record: Buffer, /) -> list[str]:
    """The passwords of `admin` in a record that `Machine.rotate` or `Machine.unprovision` had stored, likeliest first."""

@final
class Session:
    """WS-Man calls to one machine: what `amtpy.Machine` and `amtpy.aio.Machine` are made of."""

    def __new__(
        cls,
        host: str,
        password: str,
        user: str,
        port: int | None,
        certificate: bytes | None,
        pin: str | None,
        ca: _Path | Buffer | None,
        name: str | None,
        insecure_any: bool,
        plain: bool,
        client_certificate: Certificate | None,
        legacy_tls: str,
        timeout: float,
    ) -> Session: ...
    def call(
        self,
        operation: str,
        class_name: str,
        method: str | None = None,
        properties: _Document | None = None,
        selectors: _Document | None = None,
    ) -> Any: ...
    def call_async(
        self,
        operation: str,
        class_name: str,
        method: str | None = None,
        properties: _Document | None = None,
        selectors: _Document | None = None,
    ) -> asyncio.Future[Any]: ...
    def operate(self, operation: str, options: _Document | None = None) -> Any: ...
    def operate_async(self, operation: str, options: _Document | None = None) -> asyncio.Future[Any]: ...
    def status(self) -> Attempt: ...
    def configure(
        self,
        file: _Path | None,
        document: str | None,
        record: bytes | None,
        authority: tuple[_Path, _Path] | None,
        dry_run: bool,
    ) -> Attempt: ...
    def rotate(self, record: bytes | None, password: str | None) -> Attempt: ...
    def renew(self, record: bytes | None, at_percent: int | None, authority: tuple[_Path, _Path]) -> Attempt: ...
    def unprovision(self, extent: str, record: bytes | None, dry_run: bool) -> Attempt: ...
    def close(self) -> None: ...
    def close_async(self) -> asyncio.Future[None]: ...
    @property
    def version(self) -> str | None: ...
    @property
    def tls(self) -> tuple[str, str, str] | None: ...
    @property
    def place(self) -> tuple[str, int]: ...

@final
class HelloListener:
    """Awaits hellos: an iterator, and an asynchronous one, over what arrives. Open from the beginning until `close()`, which ends the iterators,
    or the end of `with` or `async with`.

    `listen` is an address with a port, or several; `[::]` also takes IPv4. Nothing that arrives is authenticated: anybody may say hello. A
    connection on which nothing comes for `idle` seconds is dropped, and one address may have `max_per_source` at a time.
    """

    def __new__(
        cls, listen: str | Sequence[str] | None = None, *, idle: float = 10.0, max_per_source: int = 64
    ) -> HelloListener: ...
    @property
    def addresses(self) -> list[str]:
        """Where it listens; the port that was chosen where 0 was asked for."""

    def next(self, timeout: float | None = None) -> HelloEvent | None:
        """The next hello, or the next bytes that are none; `None` when `timeout` seconds are over, or after `close()`."""

    def close(self) -> None:
        """Closes the ports. Whoever waits for a hello gets none."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> HelloEvent: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> asyncio.Future[HelloEvent]: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...
    def __aenter__(self) -> asyncio.Future[Self]: ...
    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> asyncio.Future[None]: ...

@final
class HelloEvent:
    """What one connection brought: a hello, or bytes that are none."""

    @property
    def address(self) -> str:
        """Where it came from, and where the machine is to be connected back to."""

    @property
    def received(self) -> float:
        """When it was complete, in seconds since 1970."""

    @property
    def hello(self) -> Hello | None:
        """The hello; `None` if it was none."""

    @property
    def error(self) -> AmtError | None:
        """Why the bytes are no hello; `None` if they are one."""

    @property
    def data(self) -> bytes:
        """The bytes as received."""

    @property
    def repeat(self) -> int:
        """How many hellos of this machine were received within a minute before it."""

@final
class PskPair:
    """A PID and its PPS: what firmware of AMT 2 to 10 may wait for instead of a certificate. Neither `repr` nor `str` shows the PPS."""

    def __new__(cls, pid: str, pps: str) -> PskPair:
        """Reads a pair as a person types it: dashes and spaces are dropped, small letters become capitals. Raises `DecodeError` or `AmtError`,
        which names the place of what is wrong and never the characters."""

    @staticmethod
    def generate() -> PskPair:
        """A new pair out of random bytes of the operating system, worth 124 bits."""

    @property
    def pid(self) -> str:
        """The name of the pair, `XXXX-XXXX`: sent in clear."""

    def reveal(self) -> str:
        """The key, eight groups of four with dashes between."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class SetupBin:
    """A `setup.bin`: records of variables, each for one machine. Whoever holds the file owns the machines that it sets up: `repr` shows no variable."""

    @staticmethod
    def parse(data: Buffer, /, *, strict: bool = False) -> SetupBin:
        """Reads the content of a file as far as it can be read; `lint()` tells what is odd. With `strict`, what breaks a rule of structure is an
        error. Raises `AmtError` with the name `SETUP_BIN`, or `DecodeError` for what is too large."""

    @staticmethod
    def create(
        records: Sequence[_Document], *, version: str = "2.1", reusable: bool = False, scrambled: bool = False
    ) -> SetupBin:
        """A new file with a record for each dict of variables: `{"current_password": "admin", "new_password": …, "pid": …, "pps": …}`. A value is a
        `str`, a number, or the name of a choice; `root_hash` is a dict of `algorithm`, `digest` (hex) and `name`, or a list of them. What the
        version cannot carry is refused; `scrambled` needs version 4."""

    def encode(self) -> bytes:
        """The content of the file: of one that was read and not changed, the same bytes."""

    @property
    def version(self) -> str:
        """Version of the format: `"1"`, `"2.0"`, `"2.1"`, `"3"` or `"4"`."""

    def records(self, *, reveal: bool = False) -> list[_Document]:
        """Its records as dicts of `number`, `usable`, `scrambled` and `variables`, used ones too. Secret variables are `None` without `reveal`."""

    def consume(self) -> tuple[SetupBin, int | None]:
        """What a BIOS does with the file: the file with its next record marked as used, and the index of that record; `None` if none is left."""

    def wipe(self, *, everything: bool = False) -> SetupBin:
        """The file without the secrets of used records, or with `everything` of all, which are then used."""

    def lint(self) -> list[Finding]:
        """Everything that is odd about the file; no finding holds a secret."""

    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class VirtualMachines:
    """Virtual machines on loopback addresses of their own, with the real ports; they refuse what firmware refuses.

    They trust the certificate authority of `certificate`, which is for the DNS suffix `suffix`, and those in `roots`. `persona` is a firmware family
    such as `"16.0"`, or `"mixed"` for all. With `hello`, an address with a port, they say hello there. With `set_up`, `"client"` or `"admin"`,
    they are set up already, with `admin_password` and TLS. A context manager, which starts and stops them.
    """

    def __new__(
        cls,
        count: int = 1,
        *,
        persona: str = "16.0",
        suffix: str = "example.com",
        roots: Sequence[_Path | Buffer] = ...,
        hello: str | None = None,
        base_address: str | None = None,
        seed: int = 0,
        time_scale: float = 1.0,
        spread: float = 0.005,
        psk: Sequence[_Pair] = ...,
        otp: str | None = None,
        admin_password: str | None = None,
        faults: Sequence[str] = ...,
        silent: bool = False,
        set_up: str | None = None,
    ) -> VirtualMachines: ...
    def start(self) -> None:
        """Puts the machines on the network."""

    def stop(self) -> None:
        """Takes the machines off the network. Stopping them again does nothing."""

    @property
    def machines(self) -> list[VirtualMachine]:
        """Every machine, in the order of their addresses. Empty while they do not run."""

    @property
    def certificate(self) -> Certificate:
        """A provisioning certificate that the machines trust. Its key is a public test key."""

    @property
    def certificate_pem(self) -> str:
        """The same as PEM with its chain and key, as `amt serve` takes it."""

    @property
    def suffix(self) -> str:
        """DNS suffix of the machines' network."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> VirtualMachine: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

@final
class VirtualMachine:
    """One virtual machine: what is asked of it here is asked of the firmware itself, and not over the network."""

    @property
    def uuid(self) -> str:
        """SMBIOS UUID, lower case."""

    @property
    def address(self) -> str:
        """Loopback address where it listens."""

    def truth(self) -> _Document:
        """The firmware's own truth: states, digests of passwords, certificates, requests, refusals. No password is in it."""

    def check_admin_password(self, password: str) -> bool:
        """Whether this is the password of `admin` now."""

    def check_mebx_password(self, password: str) -> bool:
        """Whether this is the password of its setup menu now."""

    def check_psk(self, pid: str, pps: str) -> bool:
        """Whether it holds this pre-shared pair now."""

    def say_hello(self) -> None:
        """Has it say hello now, if its setup window is open."""

    def rearm(self, otp: str | None = None) -> None:
        """Opens its setup window again, as an agent in its system does, with a one-time password or without."""

    def set_os_name(self, name: str) -> None:
        """Tells its firmware the name of its operating system; `""`: none any more."""

    def power_cycle(self) -> None:
        """Takes power from it and gives it back."""

    def add_fault(self, fault: str) -> None:
        """Has something go wrong: `PLACE:in|out:KIND`, such as `"AMT_GeneralSettings.Get:out:reset"`; see `amt sim --help`."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
