"""How Gunicorn runs the service: hooks, the worker class, GPUs by slot."""
