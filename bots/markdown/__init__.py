"""The model's Markdown, read once for all platforms (pure, in linear time).

Formulas and tags of blocks are rewritten as plainer Markdown. A platform then goes through the
lines and tables, and writes the nodes of each paragraph in its own way.
"""

from bots.markdown._columns import GROWTH, alignment, draw, may_have_table, table_rows
from bots.markdown._formulas import written
from bots.markdown._hypertext import flattened
from bots.markdown._inline import Node, links, read
from bots.markdown._lines import HEADING, TASK, as_typed, box, is_break, is_signed, title
from bots.markdown._links import WEB, deceives, inert, readable

__all__ = [
    "GROWTH",
    "HEADING",
    "TASK",
    "WEB",
    "Node",
    "alignment",
    "as_typed",
    "box",
    "deceives",
    "draw",
    "flattened",
    "inert",
    "is_break",
    "is_signed",
    "links",
    "may_have_table",
    "read",
    "readable",
    "table_rows",
    "title",
    "written",
]
