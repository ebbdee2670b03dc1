"""Photos that a bot sends: checked as the service does, and offered in several sizes."""

import io

from PIL import Image, UnidentifiedImageError

from tests.fakes.telegram.errors import bad_request
from tests.fakes.telegram.spans import Json
from tests.fakes.telegram.state import State
from tests.fakes.uploads import Upload

LARGEST = 10_000_000
SIDES, RATIO = 10_000, 20
"""The most pixels of width and height together, and the most times that one is the other."""
SIZES = (90, 320, 800, 1280)
"""The longer sides of the sizes that are offered; the last one at most, whatever was sent."""


def photo(state: State, sent: object) -> list[Json]:
    """Return the sizes of an uploaded photo, the smallest one first."""
    if not isinstance(sent, Upload):
        raise bad_request("there is no photo in the request")
    data = sent.data
    if not data:
        raise bad_request("file must be non-empty")
    if len(data) > LARGEST:
        raise bad_request("file is too big")
    width, height = _size(data)
    if width + height > SIDES or max(width, height) > RATIO * min(width, height):
        raise bad_request("PHOTO_INVALID_DIMENSIONS")
    longer = max(width, height)
    scales = [side / longer for side in SIZES if side < longer] + [min(SIZES[-1] / longer, 1.0)]
    return [
        # The service makes a JPEG of everything; what was sent is kept here to be looked at.
        state.store("photos", data, "photo.jpg").json()
        | {"width": round(width * scale), "height": round(height * scale)}
        for scale in dict.fromkeys(scales)
    ]


def _size(data: bytes) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.verify()
            return image.size
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise bad_request("IMAGE_PROCESS_FAILED") from error
