"""PDFs with a password are told from those that anybody can open."""

import hashlib

import pytest

from core.attachments._content import understand
from core.attachments._locks import _PAD, _md5, _rc4, is_locked
from core.errors import AttachmentError

OWNER = bytes(range(1, 33))
IDENTITY = b"0123456789abcdef"


def pdf(revision: int, user: bytes, *, form: str = "hex", by_number: bool = True) -> bytes:
    """A PDF with a lock."""

    def told(value: bytes) -> bytes:
        if form == "hex":
            return b"<%s>" % value.hex().encode()
        return b"(%s)" % b"".join(b"\\%03o" % byte for byte in value)

    filters = b"/CF <</StdCF <</CFM /AESV2 /Length 16>>>>" if revision == 4 else b""
    lock = b"<<%s /Filter/Standard /V 2 /Length 128 /R %d /P -44 /O %s /U %s>>" % (
        filters,
        revision,
        told(OWNER),
        told(user),
    )
    place = b"7 0 R" if by_number else lock
    body = b"7 0 obj %s endobj" % lock if by_number else b""
    return b"%%PDF-1.7\n%s\ntrailer <</Encrypt %s /ID [%s %s]>>" % (
        body,
        place,
        told(IDENTITY),
        told(IDENTITY),
    )


WRITTEN = {
    b"": "72f09696 9215e6b8 69d8ece1 2d7214aa cddb7d64 f8fd375b"
    " 07389eb5 f8160682 a2b47380 ced90250 7dcb3b9f a111f0c0",
    b"secret": "c517fc98 cfbf84c9 50029ed7 b7ece07f e94e4667 9ec0c451"
    " 961bb895 1393bc5d 7d1927e7 f45e6651 7b395d7f 7c9d406a",
}
"""Proofs of revision 6 that another program wrote."""


def proof(revision: int, password: bytes) -> bytes:
    """The proof of a password that the file holds, after the standard."""
    if revision == 6:
        return bytes.fromhex(WRITTEN[password])
    if revision == 5:
        return hashlib.sha256(password + b"saltsalt").digest() + b"saltsalt" + b"moresalt"
    padded = (password + _PAD)[:32]
    size = 5 if revision == 2 else 16
    key = _md5(padded + OWNER + (-44 & 0xFFFFFFFF).to_bytes(4, "little") + IDENTITY)
    if revision == 2:
        return _rc4(key[:size], _PAD)
    for _ in range(50):
        key = _md5(key[:size])
    told = _md5(_PAD + IDENTITY)
    for number in range(20):
        told = _rc4(bytes(byte ^ number for byte in key), told)
    return told + bytes(16)


@pytest.mark.parametrize("revision", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("form", ["hex", "text"])
@pytest.mark.parametrize("by_number", [True, False])
def test_a_password_locks_and_none_does_not(revision: int, form: str, by_number: bool) -> None:
    opened, locked = (
        pdf(revision, proof(revision, word), form=form, by_number=by_number)
        for word in (b"", b"secret")
    )
    assert (is_locked(opened), is_locked(locked)) == (False, True)


def test_the_cipher_is_the_known_one() -> None:
    assert _rc4(b"Key", b"Plaintext").hex() == "bbf316e8d940af0ad3"


def test_a_locked_file_is_refused_before_it_is_sent() -> None:
    with pytest.raises(AttachmentError, match="password"):
        understand("a.pdf", pdf(3, proof(3, b"secret")))
    assert understand("a.pdf", pdf(3, proof(3, b""))).media_type == "application/pdf"


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7",
        b"%PDF-1.7 /Encrypt 7 0 R",
        b"%PDF-1.7 /Encrypt <<",
        b"%PDF-1.7 /Encrypt <</R 3 /O (" + b"(" * 99_999,
        pdf(99, b""),
        pdf(3, b""),
    ],
)
def test_what_is_not_understood_is_left_to_the_model(data: bytes) -> None:
    assert is_locked(data) is (data == pdf(3, b""))
