"""What a cut costs, on the scale on which a chunk that is quite empty costs 1."""

from __future__ import annotations

import re

SECTION = 0.0
PARAGRAPH = 0.1
ITEM = 0.2
ROW = 0.3
LINE = 0.35
SENTENCE = 0.4
INTRODUCED = 0.6  # before what the line above announces
WORD = 1.0
GLUED = 2.0  # between a heading and its text, a comment and its function

CLOSING = re.compile(r"\s*(?:[)}\]]|end\b)")  # a line of code that ends what was begun before
