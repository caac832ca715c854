"""A USB key file with a new pair for each of some machines, and the pairs for the setup server: python write_setupbin.py COUNT FOLDER"""

import os
import sys
from pathlib import Path

import amtpy

count, folder = int(sys.argv[1]), Path(sys.argv[2])
pairs = [amtpy.PskPair.generate() for _ in range(count)]
file = amtpy.SetupBin.create(
    [
        {"current_password": "admin", "new_password": os.environ["MEBX_PASSWORD"], "pid": pair.pid, "pps": pair.reveal()}
        for pair in pairs
    ]
)
for finding in file.lint():
    print(finding.severity, finding.code, finding.field, finding.message)
# Whoever reads these owns the machines.
os.umask(0o077)
(folder / "setup.bin").write_bytes(file.encode())
(folder / "pairs.csv").write_text("".join(f"{pair.pid},{pair.reveal()}\n" for pair in pairs))
print(f"{len(file)} records of version {file.version}")
