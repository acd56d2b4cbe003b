"""Links -> warehouse: every link ends in one outcome; a stopped run is continued."""

from llm_twin.collecting.preview import preview
from llm_twin.collecting.run import collect, input_of

__all__ = ["collect", "input_of", "preview"]
