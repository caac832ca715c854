"""What can go wrong, as exceptions. Each carries the number and name that C and the command line use for the same cause."""

from __future__ import annotations

from typing import Any


class AmtError(Exception):
    """An operation failed. ``str()`` gives the message.

    >>> error = AmtError("nothing listens", 6001, "CONNECT_REFUSED", "connect", "check the address")
    >>> error.code, error.name, error.stage, error.hint
    (6001, 'CONNECT_REFUSED', 'connect', 'check the address')
    """

    #: Number of the cause; append-only, never re-used.
    code: int
    #: Name of the cause, for example ``DECODE_TRUNCATED``.
    name: str
    #: Where it happened: a step of a procedure or an operation.
    stage: str
    #: What to do next.
    hint: str
    #: What the device itself said, if it said anything.
    device: str | None

    def __init__(
        self,
        message: str,
        code: int = 0,
        name: str = "",
        stage: str = "",
        hint: str = "",
        device: str | None = None,
    ) -> None:
        # One argument only: OSError, a base of some of these, takes a second one for an errno.
        super().__init__(message)
        self.message = message
        self.code = code
        self.name = name
        self.stage = stage
        self.hint = hint
        self.device = device

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.code, self.name, self.stage, self.hint, self.device)


class ArgumentError(AmtError, ValueError):
    """An argument is not what the call takes."""


class DecodeError(AmtError, ValueError):
    """Bytes or text are not what they should be; the message names the field."""


class PolicyError(AmtError):
    """A certificate, a TLS connection or a plan breaks a rule."""


class WsmanFault(AmtError):
    """The firmware answered a call with a fault or a failure; ``device`` tells which."""


class DeviceError(AmtError):
    """The machine did something that the procedure cannot go on with."""


class CredentialError(AmtError):
    """A password was refused, or none is known that opens the machine."""


class AmtTimeout(AmtError, TimeoutError):
    """The machine did not answer in time."""


class ConnectionFailed(AmtError, ConnectionError):
    """The machine could not be reached, or the connection broke."""
