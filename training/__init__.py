"""Training pipeline for a small checkpoint of the official architecture (README.md here)."""
