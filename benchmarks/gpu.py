"""Is the engine right on this GPU, and how fast is it?  One command, at most eight minutes.

    python benchmarks/gpu.py --output gpu.json             # stand-in weights, made on the device
    python benchmarks/gpu.py --model-dir models/IndexTTS   # the real ones
    python benchmarks/gpu.py --dry-run                     # tiny, on the CPU, within a minute

See docs/gpu.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # A bare machine has a checkout and no installation.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from benchmarks.gpu_check.cli import main

    sys.exit(main())
