"""Fills the first test PACS with the example studies."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from adit.core.dicom import ServerConfig
from adit.stack.example_data import ExampleDataError, missing_studies, peer, send_examples
from adit.stack.orthanc_rest import DICOMWEB_PATH, OrthancRest


class Command(BaseCommand):
    help = (
        "Sends the example studies to ORTHANC1 unless it holds them already. The servers are "
        "named by ORTHANC1_HOST, ORTHANC1_DICOM_PORT and ORTHANC1_DICOMWEB_URL, and the same "
        "for ORTHANC2."
    )
    requires_system_checks: list[str] = []  # type: ignore[assignment]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--reset", action="store_true", help="empty both servers first (Orthanc only)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        server = _server("ORTHANC1")
        if options["reset"]:
            _clear("ORTHANC1")
            _clear("ORTHANC2")
        try:
            if not missing_studies(server):
                self.stdout.write(f"{server.name} holds the example studies already.")
                return
            count = send_examples(server)
        except ExampleDataError as err:
            raise CommandError(str(err)) from err
        self.stdout.write(f"Sent {count} instances to {server.name}.")


def _server(name: str) -> ServerConfig:
    port = os.environ.get(f"{name}_DICOM_PORT", "")
    if not port.isdigit():
        raise CommandError(f"{name}_DICOM_PORT must be a port number, not {port!r}.")
    return peer(name, os.environ.get(f"{name}_HOST", "127.0.0.1"), int(port))


def _clear(name: str) -> None:
    url = os.environ.get(f"{name}_DICOMWEB_URL", "").rstrip("/")
    if not url.endswith(DICOMWEB_PATH):
        raise CommandError(f"{name} is no Orthanc with DICOMweb and cannot be emptied from here.")
    try:
        OrthancRest(url.removesuffix(DICOMWEB_PATH)).clear()
    except OSError as err:
        raise CommandError(f"{name} cannot be emptied: {err}") from err
