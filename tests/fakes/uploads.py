"""Forms with files, read whole into memory: a broken upload leaves no open file behind."""

from dataclasses import dataclass

from aiohttp import BodyPartReader, web


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form."""

    filename: str
    content_type: str
    data: bytes


async def read_multipart(request: web.Request) -> dict[str, str | Upload]:
    """Return the fields of a multipart body by name.

    Raise `web.HTTPRequestEntityTooLarge` above the `client_max_size` of the application.
    """
    fields: dict[str, str | Upload] = {}
    size = 0
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader), "no client nests forms"
        data = bytes(await part.read(decode=True))
        size += len(data)
        if size > request.client_max_size:
            raise web.HTTPRequestEntityTooLarge(request.client_max_size, size)
        if part.filename is None:
            fields[part.name or ""] = data.decode()
        else:
            kind = part.headers.get("Content-Type", "application/octet-stream")
            fields[part.name or ""] = Upload(part.filename, kind, data)
    return fields
