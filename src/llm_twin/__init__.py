"""Collect everything a person has published, keep it clean and current, and make it usable by an LLM."""

__version__ = "0.1.0"
