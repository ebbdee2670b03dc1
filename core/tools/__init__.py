"""Tools: functions that the model may call in the middle of an answer."""

from core.tools._offered import offer
from core.tools._toolbox import Tool, Toolbox, tool

__all__ = ["Tool", "Toolbox", "offer", "tool"]
