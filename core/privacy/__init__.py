"""A person's rights over the stored data: to get it, and to have it deleted."""

from core.privacy._clear import clear
from core.privacy._erase import erase
from core.privacy._expire import expire
from core.privacy._export import begin_export, export
from core.privacy._forget import forget

__all__ = ["begin_export", "clear", "erase", "expire", "export", "forget"]
