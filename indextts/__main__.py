"""``python -m indextts``: the same as the command ``indextts``."""

from indextts.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
