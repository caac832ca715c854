"""Turn factory-fresh Intel AMT / vPro machines into managed ones.

Every error is an :class:`AmtError` with ``code``, ``name``, ``stage``, ``hint`` and ``device``.
"""

from amtpy._amt import Hello, Root
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
    "ConnectionFailed",
    "CredentialError",
    "DecodeError",
    "DeviceError",
    "Hello",
    "PolicyError",
    "Root",
    "WsmanFault",
]
