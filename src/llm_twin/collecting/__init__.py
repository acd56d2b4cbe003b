"""Links -> warehouse: every link ends in one outcome; a stopped run is continued, a running one helped."""

from llm_twin.collecting.preview import preview
from llm_twin.collecting.retry import stopped, to_retry
from llm_twin.collecting.run import collect, input_of

__all__ = ["collect", "input_of", "preview", "stopped", "to_retry"]
