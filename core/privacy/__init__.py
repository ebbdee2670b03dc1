"""What a person may ask of what is stored about them: to have it, and to have it gone."""

from core.privacy._erase import erase
from core.privacy._expire import expire
from core.privacy._export import export
from core.privacy._forget import forget

__all__ = ["erase", "expire", "export", "forget"]
