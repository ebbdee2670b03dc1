"""The reply: an answer while it grows on a platform, and its delivery."""

from core.reply._calls import MARGIN, TRIES, Lease
from core.reply._reply import NOTICE_AFTER, Reply, Standing
from core.reply._tally import Tally

__all__ = ["MARGIN", "NOTICE_AFTER", "TRIES", "Lease", "Reply", "Standing", "Tally"]
