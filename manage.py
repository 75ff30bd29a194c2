#!/usr/bin/env python
"""Django's command line for administrative tasks."""

import gc
import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "adit.settings")
    # What is imported stays; to search it for garbage takes a fifth of the start.
    # `CoreConfig.ready` ends this.
    gc.disable()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
