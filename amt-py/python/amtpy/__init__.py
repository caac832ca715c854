"""Turn factory-fresh Intel AMT / vPro machines into managed ones.

Every error is an :class:`AmtError` with ``code``, ``name``, ``stage``, ``hint`` and ``device``.
"""

from amtpy._amt import (
    Certificate,
    Credential,
    Events,
    Finding,
    Fleet,
    Hello,
    Outcome,
    Root,
    SetupServer,
    Token,
    enroll,
    preflight,
    provision,
)
from amtpy._exceptions import (
    AmtError,
    AmtTimeout,
    ArgumentError,
    ConnectionFailed,
    CredentialError,
    DecodeError,
    DeviceError,
    PolicyError,
    WsmanFault,
)
from amtpy._types import Answer

__all__ = [
    "AmtError",
    "AmtTimeout",
    "Answer",
    "ArgumentError",
    "Certificate",
    "ConnectionFailed",
    "Credential",
    "CredentialError",
    "DecodeError",
    "DeviceError",
    "Events",
    "Finding",
    "Fleet",
    "Hello",
    "Outcome",
    "PolicyError",
    "Root",
    "SetupServer",
    "Token",
    "WsmanFault",
    "enroll",
    "preflight",
    "provision",
]
