"""The application for Gunicorn, which starts the engine in its post-fork hook."""

import os

from app import create_app
from app.settings import load_settings

application = app = create_app(load_settings(os.environ))
