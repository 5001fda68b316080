"""Django's entry point: `python manage.py illustrate` paints the story, `manage.py runserver` shows it."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

# Needed to run from a checkout that is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "storybook.settings")

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
