"""What pages are read with: walls, the text among what surrounds it, Markdown, titles, authors, dates, the language.

`extract.py` puts it together.
"""
