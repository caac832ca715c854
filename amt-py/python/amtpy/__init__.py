"""Turn factory-fresh Intel AMT / vPro machines into managed ones.

Every error is an :class:`AmtError` with ``code``, ``name``, ``stage``, ``hint`` and ``device``.
"""

from amtpy._amt import Certificate, Finding, Hello, Outcome, Root, preflight, provision
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

__all__ = [
    "AmtError",
    "AmtTimeout",
    "ArgumentError",
    "Certificate",
    "ConnectionFailed",
    "CredentialError",
    "DecodeError",
    "DeviceError",
    "Finding",
    "Hello",
    "Outcome",
    "PolicyError",
    "Root",
    "WsmanFault",
    "preflight",
    "provision",
]
