"""One module a part; each has ``run(rows, bench)``."""
