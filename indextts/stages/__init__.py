"""The steps of the pipeline; each one owns its networks and knows nothing of the others."""
