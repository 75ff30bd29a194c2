"""What a transfer announces; who wants to tell people about it listens."""

from django.dispatch import Signal

# Sent inside the transaction in which a folder grows beyond its warn size, with `folder`.
warn_size_passed = Signal()
