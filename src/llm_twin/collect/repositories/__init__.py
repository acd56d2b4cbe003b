"""Repositories: cloned without running anything, and which of their files are to be read."""
