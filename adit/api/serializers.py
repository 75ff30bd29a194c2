"""Jobs and tasks as JSON. Times are ISO 8601 with their zone, sizes bytes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from adit.core.jobs.actions import JOB_ACTIONS, TASK_ACTIONS
from adit.core.models import DicomJob, DicomTask
from adit.core.pages.source_view import as_seen, may_see_source


class ProgressSerializer(serializers.Serializer):
    """Sums over the tasks of a job."""

    tasks = serializers.IntegerField(source="total")
    tasks_by_state = serializers.DictField(source="counts", child=serializers.IntegerField())
    instances_expected = serializers.IntegerField()
    instances_done = serializers.IntegerField()
    bytes_done = serializers.IntegerField()
    instances_per_second = serializers.FloatField()
    remaining_seconds = serializers.SerializerMethodField()

    def get_remaining_seconds(self, progress: Any) -> float | None:
        return progress.remaining.total_seconds() if progress.remaining is not None else None


class JobSerializer(serializers.ModelSerializer):
    """A job with its progress."""

    owner = serializers.CharField(source="owner.username")
    progress = ProgressSerializer()
    url = serializers.CharField(source="get_absolute_url", help_text="The page of the job.")

    class Meta:
        model = DicomJob
        fields = (
            "id",
            "kind",
            "state",
            "message",
            "urgent",
            "owner",
            "created",
            "start",
            "end",
            "progress",
            "url",
        )
        read_only_fields = fields


class JobDetailSerializer(JobSerializer):
    """A job with why it waits and what the user may do now."""

    waiting = serializers.ListField(child=serializers.CharField())
    actions = serializers.SerializerMethodField()

    class Meta(JobSerializer.Meta):
        fields = (*JobSerializer.Meta.fields, "waiting", "actions")
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_actions(self, job: DicomJob) -> list[str]:
        user = self.context["request"].user
        return [name for name, action in JOB_ACTIONS.items() if action.available(user, job)]


class TaskSerializer(serializers.ModelSerializer):
    """A task. What tells of the patient at the source is null where the user may not see it."""

    line = serializers.IntegerField(help_text="The task's place in its job, from 1.")
    source = serializers.CharField(source="source.name")
    destination = serializers.SerializerMethodField()
    patient_id = serializers.SerializerMethodField()
    study_instance_uid = serializers.SerializerMethodField()
    pseudonym = serializers.SerializerMethodField()
    waiting = serializers.CharField(help_text="Why it waits; empty where it does not.")
    actions = serializers.SerializerMethodField()
    url = serializers.CharField(source="get_absolute_url", help_text="The page of the task.")

    class Meta:
        model = DicomTask
        fields = (
            "id",
            "job",
            "line",
            "state",
            "message",
            "waiting",
            "source",
            "destination",
            "patient_id",
            "study_instance_uid",
            "pseudonym",
            "protocol",
            "phase",
            "attempts",
            "instances_expected",
            "instances_done",
            "bytes_done",
            "instances_per_second",
            "created",
            "start",
            "end",
            "actions",
            "url",
        )
        read_only_fields = fields

    def to_representation(self, instance: Any) -> Any:
        """A task as the user may see it: its message is without the source, too."""
        user = self.context["request"].user
        return super().to_representation(
            as_seen(instance, may_see_source(user, self.get_pseudonym(instance)))
        )

    def get_destination(self, task: Any) -> str | None:
        destination = getattr(task, "destination", None)
        return destination.name if destination else None

    def get_patient_id(self, task: Any) -> str | None:
        return self._of_source(task, "patient_id")

    def get_study_instance_uid(self, task: Any) -> str | None:
        return self._of_source(task, "study_instance_uid")

    def get_pseudonym(self, task: Any) -> str:
        return getattr(task, "pseudonym", "")

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_actions(self, task: Any) -> list[str]:
        user = self.context["request"].user
        allowed = (name for name, act in TASK_ACTIONS.items() if act.allowed(user, task.job))
        return [name for name in allowed if name in task.fitting]

    def _of_source(self, task: Any, name: str) -> str | None:
        user = self.context["request"].user
        return getattr(task, name, None) if may_see_source(user, self.get_pseudonym(task)) else None


class PageSerializer(serializers.Serializer):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class JobPageSerializer(PageSerializer):
    """A page of a list of jobs."""

    results = JobSerializer(many=True)


class TaskPageSerializer(PageSerializer):
    """A page of a list of tasks."""

    results = TaskSerializer(many=True)


class OutcomeSerializer(serializers.Serializer):
    """What an action did."""

    outcome = serializers.CharField(help_text="In words.")
    state = serializers.CharField(
        allow_null=True, help_text="The state afterwards; null where the object is gone."
    )


def _numbers(help_text: str) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        allow_empty=False,
        max_length=100_000,
        help_text=help_text,
    )


class ChoiceSerializer(serializers.Serializer):
    """Which tasks of a job are meant: those listed, or all in a state."""

    lines = _numbers("Their places in the job, from 1.")
    tasks = _numbers("Their ids, instead of their lines.")
    state = serializers.ChoiceField(choices=DicomTask.State.choices, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Give one of `lines`, `tasks` and `state`.")
        return attrs


class RefusalSerializer(serializers.Serializer):
    """A task that was not changed. What the job does not have lacks its line or its id."""

    task = serializers.IntegerField(allow_null=True)
    line = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField()


class BulkSerializer(serializers.Serializer):
    """What became of the tasks."""

    done = serializers.ListField(child=serializers.IntegerField(), help_text="Their ids.")
    done_lines = serializers.ListField(child=serializers.IntegerField(), help_text="Their lines.")
    refused = RefusalSerializer(many=True)


class FieldErrorSerializer(serializers.Serializer):
    field = serializers.CharField(allow_blank=True)
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer):
    """An error (RFC 9457)."""

    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="For programs.")
    detail = serializers.CharField(help_text="For people.")
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]
