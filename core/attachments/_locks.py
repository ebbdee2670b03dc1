"""Passwords of PDFs: whether a file opens without one (pure)."""

import hashlib
import re

MOST = 100
"""The most places at which a part of the lock is looked for."""
LONGEST = 20_000
"""The most bytes of a dictionary in which the lock is looked for."""

_ENCRYPT = re.compile(rb"/Encrypt\s{0,9}(?:(\d{1,9})\s{1,9}(\d{1,5})\s{1,9}R|<<)")
_ID = re.compile(rb"/ID\s{0,9}\[\s{0,9}")
_PAD = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
_ESCAPED = re.compile(rb"\\([nrtbf()\\]|[0-7]{1,3}|\r?\n)")
_LETTER = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def is_locked(data: bytes) -> bool:
    """Return whether a PDF does not open without a password, as far as that can be told."""
    found = _find(_ENCRYPT, b"/Encrypt", data)
    if found is None:
        return False
    at = found.start()
    if found[1] is not None:
        at = data.find(b"\n%s %s obj" % found.groups())
    if at < 0:
        return False
    lock = data[at : at + LONGEST].partition(b"endobj")[0]
    identity = _find(_ID, b"/ID", data)
    first = _string(data[identity.end() : identity.end() + 1000]) if identity else b""
    try:
        return not _opens(lock, first or b"")
    except (ValueError, IndexError):
        return False


def _find(pattern: re.Pattern[bytes], begin: bytes, data: bytes) -> re.Match[bytes] | None:
    """Return the first match of a pattern. A search for plain bytes holds up no other thread."""
    at, tries = data.find(begin), 0
    while at >= 0 and tries < MOST:
        if found := pattern.match(data, at):
            return found
        at, tries = data.find(begin, at + 1), tries + 1
    return None


def _opens(lock: bytes, identity: bytes) -> bool:
    """Return whether an empty password opens a lock; ValueError if the lock is unknown."""
    revision, owner, user = _number(lock, b"R"), _of(lock, b"O"), _of(lock, b"U")
    if revision == 5:
        return hashlib.sha256(user[32:40]).digest() == user[:32]
    if revision == 6:
        return _stretched(user[32:40]) == user[:32]
    if revision not in (2, 3, 4):
        raise ValueError("an unknown lock")
    rights = (_number(lock, b"P") & 0xFFFFFFFF).to_bytes(4, "little")
    # Revision 4 has one size; the first length in its lock may be that of a filter, in bytes.
    size = {2: 5, 4: 16}.get(revision) or min(max(_number(lock, b"Length", 128) // 8, 5), 16)
    clear = b"\xff" * 4 if revision == 4 and re.search(rb"/EncryptMetadata\s+false", lock) else b""
    key = _md5(_PAD + owner[:32] + rights + identity + clear)
    if revision == 2:
        return _rc4(key[:size], _PAD) == user[:32]
    for _ in range(50):
        key = _md5(key[:size])
    told = _md5(_PAD + identity)
    for number in range(20):
        told = _rc4(bytes(byte ^ number for byte in key[:size]), told)
    return told == user[:16]


def _of(lock: bytes, name: bytes) -> bytes:
    """Return a string of a dictionary; ValueError if it has none."""
    found = re.search(rb"/%s\s{0,9}(?=[(<])" % name, lock)
    value = _string(lock[found.end() :]) if found else None
    if value is None:
        raise ValueError("no such string")
    return value


def _number(lock: bytes, name: bytes, default: int | None = None) -> int:
    if found := re.search(rb"/%s\s{1,9}(-?\d{1,12})" % name, lock):
        return int(found[1])
    if default is None:
        raise ValueError("no such number")
    return default


def _string(data: bytes) -> bytes | None:
    """Return the string with which some bytes begin, in either of its forms."""
    if data.startswith(b"<"):
        digits = re.sub(rb"\s", b"", data[1:].partition(b">")[0])
        return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))
    if not data.startswith(b"("):
        return None
    depth, at = 1, 1
    while at < len(data) and depth:
        letter = data[at : at + 1]
        at += 2 if letter == b"\\" else 1
        depth += (letter == b"(") - (letter == b")")
    return _ESCAPED.sub(_unescaped, data[1 : at - 1])


def _unescaped(found: re.Match[bytes]) -> bytes:
    told = found[1]
    if told.isdigit():
        return bytes([int(told, 8) & 255])
    return b"" if told.endswith(b"\n") else _LETTER.get(told, told)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _stretched(salt: bytes) -> bytes:
    """Return the slow hash of an empty password: algorithm 2.B of ISO 32000-2."""
    # Imported late: a bot that gets no such file need not keep it in memory.
    from cryptography.hazmat.primitives.ciphers import (  # noqa: PLC0415 - see above
        Cipher,
        algorithms,
        modes,
    )

    key, last, rounds = hashlib.sha256(salt).digest(), 0, 0
    while rounds < 64 or last > rounds - 32:
        cipher = Cipher(algorithms.AES(key[:16]), modes.CBC(key[16:32]))
        told = cipher.encryptor().update(key * 64)
        kind = (hashlib.sha256, hashlib.sha384, hashlib.sha512)[sum(told[:16]) % 3]
        key, last, rounds = kind(told).digest(), told[-1], rounds + 1
    return key[:32]


def _rc4(key: bytes, data: bytes) -> bytes:
    box, j = list(range(256)), 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) % 256
        box[i], box[j] = box[j], box[i]
    told, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + box[i]) % 256
        box[i], box[j] = box[j], box[i]
        told.append(byte ^ box[(box[i] + box[j]) % 256])
    return bytes(told)
