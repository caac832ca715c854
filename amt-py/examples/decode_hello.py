"""What a machine that waits for setup says, from a file as `amt hello decode` takes it: python decode_hello.py HELLO.bin"""

import sys
from pathlib import Path

import amtpy

hello = amtpy.Hello.parse(Path(sys.argv[1]).read_bytes())
print(f"machine {hello.uuid} waits for {'a certificate' if hello.type == 'pki' else 'the key of ' + str(hello.pid)}")
for root in hello.roots:
    print(f"  trusts {root.algorithm} {root.fingerprint}")
