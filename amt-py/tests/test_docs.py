"""The examples in the documentation of the extension's classes and functions; those of Python files are pytest's own to find."""

import doctest
from typing import Any

import pytest

from amtpy import _amt


def documented() -> list[Any]:
    """Everything public, and the methods of classes."""
    found: list[Any] = []
    for name in _amt.__all__:
        thing = getattr(_amt, name)
        found.append(thing)
        if isinstance(thing, type):
            found += [member for key, member in vars(thing).items() if not key.startswith("_")]
    return found


def examples() -> list[doctest.DocTest]:
    parse = doctest.DocTestParser().get_doctest
    parsed = [
        parse(text, {}, getattr(thing, "__qualname__", repr(thing)), None, None)
        for thing in documented()
        if (text := getattr(thing, "__doc__", None) or getattr(getattr(thing, "__func__", None), "__doc__", None))
    ]
    return [example for example in parsed if example.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_what_the_documentation_shows_is_so(example: doctest.DocTest) -> None:
    said: list[str] = []
    result = doctest.DocTestRunner().run(example, out=said.append)
    assert result.failed == 0, "".join(said)


def test_there_are_examples_and_everything_is_documented() -> None:
    assert {example.name for example in examples()} >= {"SetupBin", "PskPair", "VirtualMachines", "HelloListener"}
    bare = [thing for thing in documented() if not getattr(thing, "__doc__", None)]
    assert bare == []
