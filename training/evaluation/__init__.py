"""Listening to what was trained, with a recognizer's ears."""
