"""The reply: an answer while it grows on a platform, and its delivery."""

from core.reply._reply import NOTICE_AFTER, Reply, Standing
from core.reply._tally import Tally
from core.reply._way import MARGIN, TRIES, Lease

__all__ = ["MARGIN", "NOTICE_AFTER", "TRIES", "Lease", "Reply", "Standing", "Tally"]
