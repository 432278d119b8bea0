"""The engine and the one thread that owns it: admission, loading, serving, watching."""
