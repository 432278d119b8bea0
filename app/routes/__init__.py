"""The routes: HTTP in, an order for :mod:`app.speech`; its events out as HTTP."""
