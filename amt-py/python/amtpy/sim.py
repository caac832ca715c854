"""Virtual machines, for tests without hardware: real ports on loopback addresses, and firmware that refuses what firmware refuses.

>>> with VirtualMachines(2) as machines:
...     [machine.truth()["control_mode"] for machine in machines.machines]
['none', 'none']

They prove what is said on the wire, not that real firmware does the same. Linux and Windows only: other systems have one loopback address.
pytest finds two fixtures by itself once the package is installed: ``amt_machine``, one factory-fresh machine, and ``amt_machines``, which makes
more of any kind::

    def test_setup(amt_machine, amt_machines):
        old = amt_machines(3, persona="9.5")
"""

from __future__ import annotations

from amtpy._amt import VirtualMachine, VirtualMachines

__all__ = ["VirtualMachine", "VirtualMachines"]
