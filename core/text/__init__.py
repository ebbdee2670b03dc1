"""Cut Markdown into messages without breaking it.

Each part ends at the nicest cut that fits. The rest is Markdown of its own: a fence, table head or
emphasis that is cut is closed in the part and opened again in the rest. Every cut depends only on
the text around it, so the earlier parts do not change while the text grows.
"""

from core.text._fences import AHEAD, Fence, after, opens
from core.text._flanks import flanks, pair
from core.text._formulas import FORMULA, formula, formula_block, may_have_formula
from core.text._moments import plain_moments, read_moment, write_moment
from core.text._split import Fits, Growing, split

__all__ = [
    "AHEAD",
    "FORMULA",
    "Fence",
    "Fits",
    "Growing",
    "after",
    "flanks",
    "formula",
    "formula_block",
    "may_have_formula",
    "opens",
    "pair",
    "plain_moments",
    "read_moment",
    "split",
    "write_moment",
]
