"""Transport compression of the gateway: one stream for a connection, flushed at each payload."""

import zlib
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

Compress = Callable[[bytes], bytes]


def compressor(name: str | None) -> Compress | None:
    """The compression that a client asked for in its query, None for none."""
    if name == "zlib-stream":
        return _zlib()
    if name == "zstd-stream":
        return _zstd()
    return None


def _zlib() -> Compress:
    stream = zlib.compressobj()
    return lambda data: stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)


def _zstd() -> Compress:
    """Either package that discord.py would decompress with; it asks only where it has one."""
    if find_spec("zstandard"):
        library: Any = import_module("zstandard")
        stream = library.ZstdCompressor().compressobj()
        return lambda data: stream.compress(data) + stream.flush(library.COMPRESSOBJ_FLUSH_BLOCK)
    library = import_module("compression.zstd")
    coder = library.ZstdCompressor()
    return lambda data: coder.compress(data, mode=coder.FLUSH_BLOCK)
