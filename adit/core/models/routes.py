"""Pairs of servers that know each other, so that one can send straight to the other."""

from django.core.exceptions import ValidationError
from django.db import models

from adit.core.models.nodes import DicomServer, ae_title_validator


class DirectMoveRoute(models.Model):
    """The source may be told to send straight to the destination (C-MOVE, PS3.4 C.4.2).

    Used where nothing has to change on the way. The source must have the destination, with host
    and port, among the AE titles that it sends to.
    """

    source = models.ForeignKey(DicomServer, on_delete=models.CASCADE, related_name="routes_out")
    destination = models.ForeignKey(DicomServer, on_delete=models.CASCADE, related_name="routes_in")
    destination_ae_title = models.CharField(
        "AE title of the destination",
        max_length=16,
        validators=[ae_title_validator],
        help_text="As the source knows it.",
    )
    is_active = models.BooleanField("active", default=True)

    class Meta:
        ordering = ["source", "destination"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "destination"], name="one_direct_route_per_pair"
            ),
            models.CheckConstraint(
                condition=~models.Q(source=models.F("destination")),
                name="direct_route_leads_elsewhere",
            ),
        ]
        verbose_name = "direct C-MOVE"
        verbose_name_plural = "direct C-MOVEs"

    def __str__(self) -> str:
        return f"{self.source} → {self.destination}"

    def clean(self) -> None:
        source: DicomServer | None = self.source if self.source_id else None  # type: ignore[attr-defined]
        if source and not (source.study_root_move_support or source.patient_root_move_support):
            raise ValidationError({"source": "This server does not offer C-MOVE."})
