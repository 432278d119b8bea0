"""Stored voices: clips in a folder that requests name; knows nothing of the web."""
