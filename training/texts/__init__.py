"""Sentences to be spoken by the teacher, and hand-written ones to be judged by."""
