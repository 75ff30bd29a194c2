"""Testing the connection to a server."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from adit.api.problems import CONTENT_TYPE
from adit.api.serializers import ProblemSerializer
from adit.core.connections import check_server
from adit.core.dicom.connection_check import Verdict
from adit.core.models import DicomServer

_NAME = OpenApiParameter("name", location="path", description="Of the server, as tasks give it.")


class FindingSerializer(serializers.Serializer):
    """One step of the test."""

    title = serializers.CharField()
    verdict = serializers.ChoiceField(choices=[verdict.value for verdict in Verdict])
    says = serializers.CharField(help_text="In words.")
    seconds = serializers.FloatField()


class DifferenceSerializer(serializers.Serializer):
    """A capability that is set otherwise than it was found."""

    flag = serializers.CharField()
    configured = serializers.BooleanField()
    found = serializers.BooleanField()
    says = serializers.CharField(help_text="In words.")


class ConnectionReportSerializer(serializers.Serializer):
    """What the connection test found."""

    passed = serializers.BooleanField(
        help_text="No step failed, and all that is switched on is offered."
    )
    latency = serializers.FloatField(
        allow_null=True, help_text="Seconds that a C-ECHO takes; null where there was none."
    )
    findings = FindingSerializer(many=True)
    capabilities = serializers.DictField(
        child=serializers.BooleanField(),
        help_text="The settings that are proposed; what could not be found out is left out.",
    )
    differences = DifferenceSerializer(many=True)


class NodeTest(APIView):
    """The connection test of a server."""

    @extend_schema(
        operation_id="test_node",
        summary="Test the connection to a server",
        description="Nothing is moved and nothing is written. It takes a minute at the very most.",
        parameters=[_NAME],
        request=None,
        responses={
            200: ConnectionReportSerializer,
            **{(code, CONTENT_TYPE): ProblemSerializer for code in (401, 403, 404)},
        },
    )
    def post(self, request: Request, name: str) -> Response:
        user: Any = request.user
        if not user.has_perm("core.change_dicomserver"):
            # Nobody learns from a refusal which servers there are.
            raise PermissionDenied("You may not test the connection to servers.")
        server = get_object_or_404(DicomServer, name=name)
        return Response(ConnectionReportSerializer(check_server(user, server)).data)
