"""The licence of a repository, by the words that its licence file opens with."""

from __future__ import annotations

import re
from posixpath import basename

FILE = re.compile(r"((un)?licen[cs]es?|copying|copyright)([-._].*)?", re.I)
OPENING = 1500  # characters in which a licence has said what it is

# SPDX identifiers, the more specific first. GNU's texts do not say whether later versions may be chosen.
WORDS = {
    "AGPL-3.0": r"gnu affero general public license version 3",
    "LGPL-3.0": r"gnu lesser general public license version 3",
    "LGPL-2.1": r"gnu lesser general public license version 2\.1",
    "GPL-3.0": r"gnu general public license version 3",
    "GPL-2.0": r"gnu general public license version 2",
    "Apache-2.0": r"apache license,? version 2\.0",
    "MPL-2.0": r"mozilla public license,? version 2\.0",
    "EPL-2.0": r"eclipse public license - v 2\.0",
    "BSL-1.0": r"boost software license - version 1\.0",
    "Unlicense": r"this is free and unencumbered software released into the public domain",
    "CC0-1.0": r"cc0 1\.0 universal",
    "CC-BY-NC-SA-4.0": r"attribution-noncommercial-sharealike 4\.0 international",
    "CC-BY-NC-ND-4.0": r"attribution-noncommercial-noderivatives 4\.0 international",
    "CC-BY-NC-4.0": r"attribution-noncommercial 4\.0 international",
    "CC-BY-SA-4.0": r"attribution-sharealike 4\.0 international",
    "CC-BY-ND-4.0": r"attribution-noderivatives 4\.0 international",
    "CC-BY-4.0": r"attribution 4\.0 international",
    "MIT": r"permission is hereby granted, free of charge, to any person obtaining a copy.*"
    r"the above copyright notice and this permission notice",
    "MIT-0": r"permission is hereby granted, free of charge, to any person obtaining a copy",
    "ISC": r"permission to use, copy, modify,? and/?(or)? distribute this software for any purpose.*"
    r"provided that the above copyright notice",
    "0BSD": r"permission to use, copy, modify,? and/or distribute this software for any purpose",
    "BSD-3-Clause": r"redistribution and use in source and binary forms.*neither the name",
    "BSD-2-Clause": r"redistribution and use in source and binary forms",
}


def licence_of(path: str, text: str) -> str | None:
    """The SPDX identifier of a licence file's text; None when the file is no licence, or not one of the usual."""
    if not FILE.fullmatch(basename(path)):
        return None
    words = " ".join(text[:OPENING].lower().split())
    return next((name for name, pattern in WORDS.items() if re.search(pattern, words)), None)
