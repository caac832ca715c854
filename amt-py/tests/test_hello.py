"""`Hello` from Python's side."""

import pickle

import pytest

import amtpy

UUID = "00112233-4455-6677-8899-aabbccddeeff"
WIRE_UUID = bytes.fromhex("33221100554477668899aabbccddeeff")
ROOTS = [(1, 20), (2, 32), (99, 3)]


def pki_hello(roots: list[tuple[int, int]] = ROOTS, retry: int = 2) -> bytes:
    head = b"\x01\x00\x03\x00" + retry.to_bytes(4, "little") + WIRE_UUID + bytes([len(roots)])
    return head + b"".join(bytes([algorithm, size]) + bytes([algorithm]) * size for algorithm, size in roots)


def psk_hello() -> bytes:
    return b"\x00\x00\x02\x00" + bytes(4) + WIRE_UUID + b"ABCD1234"


def test_every_part_of_a_pki_hello_is_read() -> None:
    hello = amtpy.Hello.parse(pki_hello() + b"!")
    assert (hello.type, hello.retry, hello.admin_credentials_set, hello.uuid) == ("pki", 2, True, UUID)
    assert (hello.pid, hello.trailing) == (None, 1)
    assert [(root.algorithm, root.fingerprint) for root in hello.roots] == [
        ("sha1", "01" * 20),
        ("sha256", "02" * 32),
        ("unknown(99)", "63" * 3),
    ]
    assert hello.encode() == pki_hello()


def test_a_psk_hello_has_a_pid_and_no_roots() -> None:
    hello = amtpy.Hello.parse(psk_hello())
    assert (hello.type, hello.pid, hello.roots, hello.admin_credentials_set) == ("psk", "ABCD-1234", (), False)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_anything_with_bytes_is_taken(kind: type) -> None:
    assert amtpy.Hello.parse(kind(pki_hello())).encode() == pki_hello()
    assert amtpy.Hello.parse(memoryview(pki_hello()[::-1])[::-1]).encode() == pki_hello()


def test_text_is_not_taken() -> None:
    with pytest.raises((TypeError, BufferError)):
        amtpy.Hello.parse("hello")  # type: ignore[arg-type]


@pytest.mark.parametrize("wire", [pki_hello(), psk_hello()])
def test_every_truncation_names_the_field(wire: bytes) -> None:
    for cut in range(len(wire)):
        with pytest.raises(amtpy.DecodeError, match=r"^hello\.") as caught:
            amtpy.Hello.parse(wire[:cut])
        assert (caught.value.code, caught.value.name, caught.value.stage) == (1001, "DECODE_TRUNCATED", "decode")
        assert caught.value.hint and caught.value.device is None


def test_a_decode_error_is_a_value_error_and_survives_pickling() -> None:
    with pytest.raises(ValueError) as caught:
        amtpy.Hello.parse(b"\x00\x00\x09\x00" + bytes(40))
    error = caught.value
    assert isinstance(error, amtpy.DecodeError) and isinstance(error, amtpy.AmtError)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_hellos_and_roots_are_values() -> None:
    first, same, other = (amtpy.Hello.parse(pki_hello(retry=retry)) for retry in (1, 1, 2))
    assert first == same and hash(first) == hash(same) and first is not same
    assert first != other and first != "hello"
    assert set(first.roots) == set(other.roots) and len({first, same, other}) == 2
    assert first.roots[0] != first.roots[1]
    with pytest.raises(AttributeError):
        first.retry = 3  # type: ignore[misc]


def test_the_repr_tells_what_it_is() -> None:
    hello = amtpy.Hello.parse(pki_hello())
    assert repr(hello) == (
        f'Hello(type="pki", uuid="{UUID}", retry=2, admin_credentials_set=True, roots=<3>)'
    )
    assert repr(hello.roots[2]) == 'Root(algorithm="unknown(99)", fingerprint="636363")'
