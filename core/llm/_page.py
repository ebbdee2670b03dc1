"""A page of an endpoint beside its answers, such as a list: asked for once, and read to a bound."""

import httpx

from core.llm._exchange import Endpoint
from core.llm._faults import is_compressed


async def get(
    client: httpx.AsyncClient, endpoint: Endpoint, url: str, *, most: int
) -> tuple[int, bytes]:
    """Return the status of a page and its body: b"" without a success, or if it is too long.

    Nothing bounds the time; raises HTTPError or InvalidURL.
    """
    headers = {"Accept-Encoding": "identity", **endpoint.authorization}
    request = client.build_request("GET", url, headers=headers, timeout=None)
    response = await client.send(request, stream=True)
    body = bytearray()
    try:
        if response.status_code == 200 and not is_compressed(response):
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > most:
                    return response.status_code, b""
    finally:
        await response.aclose()
    return response.status_code, bytes(body)
