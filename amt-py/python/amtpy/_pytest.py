"""The fixtures of :mod:`amtpy.sim`, loaded by pytest. The package itself is loaded by the first test that asks for them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from amtpy.sim import VirtualMachine, VirtualMachines


@pytest.fixture
def amt_machines() -> Iterator[Callable[..., VirtualMachines]]:
    """Makes running virtual machines, with the arguments of ``amtpy.sim.VirtualMachines``; they are stopped after the test.

    Their timers run 20 times as fast as real ones, unless ``time_scale`` says otherwise: no test waits for a restart.
    """
    from amtpy.sim import VirtualMachines

    with contextlib.ExitStack() as stack:

        def make(count: int = 1, **options: Any) -> VirtualMachines:
            return stack.enter_context(VirtualMachines(count, **{"time_scale": 20.0} | options))

        yield make


@pytest.fixture
def amt_machine(amt_machines: Callable[..., VirtualMachines]) -> VirtualMachine:
    """One factory-fresh virtual machine in ``example.com``; its setup server's certificate is that of every ``VirtualMachines()``."""
    return amt_machines()[0]
