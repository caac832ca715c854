"""Types that more than one module names."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

_Path = str | os.PathLike[str]
_Uuid = str | uuid.UUID
_Document = dict[str, Any]
_Facts = Mapping[str, str | Sequence[str]]

#: Signs for provisioning chains: gets the position of the chain and the data, returns an RSA signature, PKCS#1 v1.5 over their SHA-256.
Sign = Callable[[int, bytes], bytes]


class Answer(TypedDict, total=False):
    """What a resolver says of a machine. What it leaves out is decided by others or by default."""

    #: ``"admit"`` lets it in unless the guard has something against it, ``"release"`` whatever the guard says,
    #: ``"park"`` keeps it out.
    entry: Literal["admit", "release", "park"] | None
    #: Why, for the diary and for whoever reads of a parked machine.
    reason: str | None
    #: ``host.domain``, or a host name alone, whose domain is then the DNS suffix.
    name: str | None
    #: DNS suffix that its firmware has.
    dns_suffix: str | None
    #: Profile, by name or alias.
    profile: str | None
    #: Labels, beside those that others give it.
    labels: list[str]
    #: Organisational unit.
    ou: str | None
    #: SHA-256 (hex) of the only provisioning certificate to present.
    certificate: str | None
    #: Whether boot actions may fire whatever the guard says.
    boot: bool | None
    #: Whether a provisioned machine is renamed when its final name becomes known; by default it is.
    rename: bool | None
