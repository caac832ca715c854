"""`preflight` from Python's side."""

from pathlib import Path

import pytest

import amtpy

PASSWORD = "Provision.1"
# A PKI hello that lists one SHA-256 root, which is no certificate's.
STRANGER = amtpy.Hello.parse(b"\x00\x00\x03\x00" + bytes(20) + b"\x01\x02\x20" + bytes(32))


def codes(findings: list[amtpy.Finding]) -> list[str]:
    return [finding.code for finding in findings]


def test_a_certificate_that_fits_has_no_findings(testdata: Path) -> None:
    pfx = testdata / "chain.pfx"
    for source in (pfx, str(pfx), pfx.read_bytes(), memoryview(pfx.read_bytes())):
        assert amtpy.preflight(pfx=source, password=PASSWORD, suffix="example.com", firmware="16.0") == []
    assert amtpy.preflight(pem=testdata / "chain.pem", key=testdata / "key.pem", suffix="example.com") == []


def test_every_reason_comes_at_once(testdata: Path) -> None:
    findings = amtpy.preflight(
        pem=testdata / "chain.pem", key=testdata / "key.pem", hello=STRANGER, suffix="other.org"
    )
    assert codes(findings) == ["ROOT-NOHASH", "CN-SUFFIX"]
    for finding in findings:
        assert finding.severity == "error"
        assert finding.field and finding.message and finding.hint
        assert finding.code in repr(finding)
    assert findings[0] != findings[1] and len(set(findings)) == 2


def test_an_unknown_suffix_is_not_checked_and_an_empty_one_is_none(testdata: Path) -> None:
    pfx = testdata / "chain.pfx"
    assert amtpy.preflight(pfx=pfx, password=PASSWORD) == []
    assert codes(amtpy.preflight(pfx=pfx, password=PASSWORD, suffix="")) == ["NO-SUFFIX"]


def test_a_chain_without_key_is_a_finding_and_no_certificate(testdata: Path) -> None:
    assert codes(amtpy.preflight(pem=testdata / "chain.pem")) == ["CHAIN-NOKEY"]
    with pytest.raises(amtpy.PolicyError):
        amtpy.Certificate(pem=testdata / "chain.pem")


def test_what_cannot_be_read_is_told(testdata: Path, tmp_path: Path) -> None:
    with pytest.raises(amtpy.PolicyError) as caught:
        amtpy.preflight(pfx=testdata / "chain.pfx", password="wrong")
    assert caught.value.name == "PFX_OPEN" and "wrong" not in str(caught.value).split("password")[0]
    with pytest.raises(amtpy.AmtError) as unread:
        amtpy.preflight(pfx=tmp_path / "missing.pfx")
    assert unread.value.name == "FILE_READ" and "missing.pfx" in str(unread.value)
    with pytest.raises(amtpy.ArgumentError):
        amtpy.preflight(pfx=b"", pem=b"")
    with pytest.raises(amtpy.ArgumentError):
        amtpy.preflight()
    with pytest.raises(amtpy.DecodeError):
        amtpy.preflight(pem=testdata / "chain.pem", firmware="new")
