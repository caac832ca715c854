"""Attempts whose records the caller stores, and the files that they are stored in."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from amtpy._amt import Attempt, Finding
from amtpy._amt import check_profile as _check
from amtpy._types import _Path

#: Where a record is stored: a file, or what stores it before it returns.
Store = _Path | Callable[[bytes], object]
#: The same, where a function may also be awaited.
AsyncStore = _Path | Callable[[bytes], Awaitable[object] | object]
#: A profile: its file, or the document.
Profile = _Path | Mapping[str, Any]


def check_profile(profile: Profile, *, firmware: str | None = None) -> list[Finding]:
    """Everything that is wrong with a profile: a file (TOML, or JSON if its name ends in ``.json``), or the document as a dict.

    ``firmware``, for example ``"16.1"``, also tells what that firmware can't do. Secrets that the profile names are not looked at.

    >>> [finding.field for finding in check_profile({"format": 1, "name": "desk", "general": {"ping": "yes"}})]
    ['general.ping']
    """
    return _check(*_given(profile), firmware)


def _given(profile: Profile) -> tuple[str | None, str | None]:
    """File and document, one of them ``None``."""
    if isinstance(profile, Mapping):
        return None, json.dumps(dict(profile))
    return os.fspath(profile), None


class _File:
    """A file that holds one record, readable by its owner only. It is replaced at once, or not at all."""

    def __init__(self, path: _Path) -> None:
        self._path = Path(path)

    def load(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def __call__(self, record: bytes) -> None:
        new = self._path.with_name(self._path.name + ".new")
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(record)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._path)
        if os.name == "posix":
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _done_with(store: Callable[[bytes], object]) -> None:
    """The record is of no more use: a file of ours goes."""
    if isinstance(store, _File):
        store.remove()


def _stored(store: AsyncStore, record: bytes | None) -> tuple[Callable[[bytes], object], bytes | None]:
    """What stores, and what was stored before: ``record``, or what is in the file."""
    if callable(store):
        return store, record
    file = _File(store)
    return file, file.load() if record is None else record


def _finish(attempt: Attempt, store: Callable[[bytes], object]) -> Any:
    """Takes turns to the end."""
    while isinstance(turn := attempt.next(), bytes):
        try:
            store(turn)
        except BaseException as error:
            _refuse(attempt, error)
            raise
        attempt.stored()
    return turn


async def _finish_async(attempt: Attempt, store: Callable[[bytes], object]) -> Any:
    """The same, awaited."""
    while isinstance(turn := await attempt.next_async(), bytes):
        try:
            done = store(turn)
            if inspect.isawaitable(done):
                await done
        except BaseException as error:
            _refuse(attempt, error)
            raise
        attempt.stored()
    return turn


def _refuse(attempt: Attempt, error: BaseException) -> None:
    attempt.stored(f"{type(error).__name__}: {error}")
