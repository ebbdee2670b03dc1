"""Cut Markdown into messages without breaking it.

Each part ends at the nicest cut that fits. The rest is Markdown of its own: a fence, table head or
emphasis that is cut is closed in the part and opened again in the rest. Every cut depends only on
the text around it, so the earlier parts do not change while the text grows.
"""

from core.text._flanks import flanks, pair
from core.text._lines import ends, opens
from core.text._moments import plain_moments, read_moment, write_moment
from core.text._split import Fits, Growing, split

__all__ = [
    "Fits",
    "Growing",
    "ends",
    "flanks",
    "opens",
    "pair",
    "plain_moments",
    "read_moment",
    "split",
    "write_moment",
]
