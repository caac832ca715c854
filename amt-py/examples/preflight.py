"""Will this certificate, with its chain and key in one file, provision machines of that network? python preflight.py CHAIN.pem SUFFIX"""

import sys

import amtpy

findings = amtpy.preflight(pem=sys.argv[1], suffix=sys.argv[2])
for finding in findings:
    print(f"{finding.severity}: {finding.message} ({finding.code})\n  {finding.hint}")
sys.exit(any(finding.severity == "error" for finding in findings))
