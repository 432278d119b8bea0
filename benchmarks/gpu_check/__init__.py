"""The parts of ``benchmarks/gpu.py``, each a process of its own with a bound in time."""
