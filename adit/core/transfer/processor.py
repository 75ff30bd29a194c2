"""Runs the pipeline for a transfer task."""


class TransferProcessor:
    def __call__(self, task, run): ...  # noqa: ANN001, ANN204
