"""Programs that measure; see docs/benchmarks.md and docs/gpu.md."""
