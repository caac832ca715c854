"""Turn factory-fresh Intel AMT / vPro machines into managed ones.

Every error is an :class:`AmtError` with ``code``, ``name``, ``stage``, ``hint`` and ``device``. What waits is in :mod:`amtpy.aio` again, to be
awaited; virtual machines for tests are in :mod:`amtpy.sim`.

>>> capabilities("16.1")["tls"]["max"], capabilities("9.5")["engine"]
('1.2', 'openssl')
"""

from amtpy._amt import (
    Certificate,
    Chain,
    Credential,
    Events,
    Finding,
    Fleet,
    GeneralSettings,
    Hello,
    HelloEvent,
    HelloListener,
    LocalOutcome,
    Outcome,
    PskPair,
    Root,
    SetupBin,
    SetupServer,
    Token,
    capabilities,
    decode,
    discover,
    enroll,
    preflight,
    provision,
    record_passwords,
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
from amtpy._local import LocalMachine
from amtpy._machine import Machine, Tls
from amtpy._types import Answer
from amtpy._upkeep import check_profile

__all__ = [
    "AmtError",
    "AmtTimeout",
    "Answer",
    "ArgumentError",
    "Certificate",
    "Chain",
    "ConnectionFailed",
    "Credential",
    "CredentialError",
    "DecodeError",
    "DeviceError",
    "Events",
    "Finding",
    "Fleet",
    "GeneralSettings",
    "Hello",
    "HelloEvent",
    "HelloListener",
    "LocalMachine",
    "LocalOutcome",
    "Machine",
    "Outcome",
    "PolicyError",
    "PskPair",
    "Root",
    "SetupBin",
    "SetupServer",
    "Tls",
    "Token",
    "WsmanFault",
    "capabilities",
    "check_profile",
    "decode",
    "discover",
    "enroll",
    "preflight",
    "provision",
    "record_passwords",
]
