"""IndexTTS2 inference in plain PyTorch.

The public surface is small: :class:`indextts.infer_v2.IndexTTS2` loads a model
directory, :mod:`indextts.request` holds what goes in and what comes out, and
:mod:`indextts.errors` what can go wrong.
"""

__version__ = "0.1.0"
