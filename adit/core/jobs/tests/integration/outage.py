"""Fills a database of its own with a job of scripted tasks; a program, as its test restarts the
database. Prints the id of the job."""

import sys

import django


def main() -> None:
    django.setup()
    from django.core.management import call_command

    from adit.core.factories import DicomServerFactory, UserFactory, grant_access
    from adit.core.jobs.tests.integration.scripted import scripted_job

    call_command("migrate", verbosity=0)
    owner = UserFactory(is_superuser=True)
    source = DicomServerFactory(name="SOURCE", max_tasks=4)
    grant_access(owner.active_group, source, source=True)
    print(scripted_job(owner, source, sys.argv[1:]).pk)


if __name__ == "__main__":
    main()
