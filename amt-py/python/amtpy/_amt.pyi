"""Types of the extension module. Import from :mod:`amtpy` instead."""

import os
import uuid as _uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, final

from typing_extensions import Buffer

__all__ = ["Certificate", "Finding", "Hello", "Outcome", "Root", "preflight", "provision"]

_Path = str | os.PathLike[str]

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
    uuid: str | _uuid.UUID,
    certificate: Certificate | Iterable[Certificate],
    journal: _Path,
    authority: tuple[_Path, _Path],
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
    that broke off is gone on with. The machine's certificate is signed by the authority in `authority`, a pair of paths
    of certificate and key (PEM), made on first use as well. Passwords that are not given are generated. `progress` is
    called with the name of every step. Ctrl-C ends the attempt; what the journal holds stays.
    """
