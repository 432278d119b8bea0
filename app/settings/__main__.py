"""Write the tables of settings: ``python -m app.settings``."""

import sys

from app.settings.source import markdown_table

sys.stdout.write(markdown_table())
