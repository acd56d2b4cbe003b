"""From links to documents: fetched, read, cleaned of secrets. Nothing is stored here."""

import logging

# What these say of odd pages reaches those who listen to logs, and no terminal unasked.
for _library in ("htmldate", "charset_normalizer"):
    logging.getLogger(_library).addHandler(logging.NullHandler())
