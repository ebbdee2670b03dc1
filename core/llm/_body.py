"""The body of a request: JSON, in which the bytes of files are filled in while it is sent."""

import base64
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from core.messages import Encoded


class Body:
    """A body of known length; it can be sent once."""

    def __init__(self, content: dict[str, object]) -> None:
        """Write everything but the bytes of the files."""
        self._files: list[Encoded] = []
        # No text in the request can guess this, so that it stands only where a file belongs.
        self._marker = secrets.token_hex(16)
        written = json.dumps(content, ensure_ascii=False, default=self._mark)
        # A lone surrogate, which people manage to type, becomes a question mark.
        self._texts = [text.encode(errors="replace") for text in written.split(self._marker)]
        self._sending = self._pieces()

    def _mark(self, file: object) -> str:
        assert isinstance(file, Encoded)
        self._files.append(file)
        return file.prefix + self._marker

    def __len__(self) -> int:
        """Return the number of bytes that are sent."""
        files = sum(-(-file.size // 3) * 4 for file in self._files)
        return sum(map(len, self._texts)) + files

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes in pieces."""
        return self._sending

    async def aclose(self) -> None:
        """Stop sending; the files that are being read are let go at once."""
        await self._sending.aclose()

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        yield self._texts[0]
        for file, text in zip(self._files, self._texts[1:], strict=True):
            async with aclosing(file.read()) as pieces:
                async for piece in pieces:
                    yield base64.b64encode(piece)
            yield text
