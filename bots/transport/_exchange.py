"""A request and its response on a connection."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import h11
import httpx

from bots.transport._stream import Stream

LARGEST_HEAD = 100 * 1024
"""The most bytes of the head of a response."""
TOGETHER = 64 * 1024
"""The bytes of a request that are sent at once."""


class Connection:
    """A connection to a server, which carries one exchange after the other."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
        self.expires = 0.0
        """The time of the loop's clock at which it is too old to be used again."""

    @property
    def is_usable(self) -> bool:
        """True while no exchange is open, and the server has not closed the connection."""
        return self._state.our_state is h11.IDLE and self._stream.is_silent

    def close(self) -> None:
        """Close the connection at once."""
        self._stream.close()

    async def send(self, request: httpx.Request, seconds: float | None) -> None:
        """Send a request; raises httpx.LocalProtocolError for one that HTTP does not allow.

        A server may answer and close the connection before it has read everything: that is no
        error here, because its response tells more.
        """
        try:
            head = h11.Request(
                method=request.method, target=request.url.raw_path, headers=request.headers.raw
            )
            ready = self._state.send(head) or b""
            with suppress(httpx.WriteError):
                # A body for a synchronous client never comes here.
                async for piece in request.stream:  # type: ignore[union-attr]
                    ready += self._state.send(h11.Data(data=piece)) or b""
                    if len(ready) > TOGETHER:
                        await self._stream.write(ready, seconds)
                        ready = b""
                ready += self._state.send(h11.EndOfMessage()) or b""
                if ready:
                    await self._stream.write(ready, seconds)
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error

    async def head(self, seconds: float | None) -> h11.Response:
        """Return the head of the response."""
        while not isinstance(event := await self._event(seconds), h11.Response):
            pass  # such as 103 Early Hints
        return event

    async def body(self, seconds: float | None) -> AsyncIterator[bytes]:
        """Yield the body of the response as it comes."""
        while isinstance(event := await self._event(seconds), h11.Data):
            yield bytes(event.data)

    async def _event(self, seconds: float | None) -> Any:
        while True:
            try:
                event = self._state.next_event()
            except h11.RemoteProtocolError as error:
                raise httpx.RemoteProtocolError(str(error)) from error
            if event is not h11.NEED_DATA:
                return event
            data = await self._stream.read(seconds)
            if not data and self._state.their_state is h11.SEND_RESPONSE:
                raise httpx.RemoteProtocolError("the server closed the connection with no response")
            self._state.receive_data(data)

    def end(self) -> bool:
        """Return whether the exchange is over, so that another one may begin."""
        if self._state.our_state is h11.DONE and self._state.their_state is h11.DONE:
            self._state.start_next_cycle()
            return True
        return False
