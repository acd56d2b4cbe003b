"""Engines that run the pipelines: the only folder that imports them, so that nothing else needs them installed."""
