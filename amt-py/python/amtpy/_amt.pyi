"""Types of the extension module. Import from :mod:`amtpy` instead."""

from typing import Literal, final

from typing_extensions import Buffer

__all__ = ["Hello", "Root"]

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
