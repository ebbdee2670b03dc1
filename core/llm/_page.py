"""A page of an endpoint beside its answers, such as a list: asked for once, and read to a bound."""

import httpx

from core.llm._exchange import USER_AGENT, Endpoint, login
from core.llm._faults import is_compressed


async def get(
    way: httpx.AsyncBaseTransport, endpoint: Endpoint, url: str, *, most: int
) -> tuple[int, bytes]:
    """Return the status of a page and its body: b"" without a success, or if it is too long.

    Nothing bounds the time; raises HTTPError or InvalidURL.
    """
    page = httpx.URL(url)
    headers = {
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        **USER_AGENT,
        **endpoint.authorization,
        **login(page),
    }
    request = httpx.Request("GET", page, headers=headers)
    response = await way.handle_async_request(request)
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
