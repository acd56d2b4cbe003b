"""From the tips of a rain gauge to millimetres an hour."""

from .rain import hourly, lost_while_swinging
from .tips import read_tips, without_echoes

__all__ = ["hourly", "lost_while_swinging", "read_tips", "without_echoes"]
