"""The description of the API: OpenAPI for programs, a page for people."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator

_METHODS = ("get", "post", "put", "patch", "delete")


@login_required
@require_GET
def reference(request: HttpRequest) -> HttpResponse:
    """The page for people, made from the same schema, without scripts."""
    schema: Any = SchemaGenerator().get_schema(request=None, public=True)
    operations = [
        _operation(path, method, item[method], schema)
        for path, item in schema["paths"].items()
        for method in _METHODS
        if method in item
    ]
    components = [
        {"name": name, "fields": _fields(component), "text": component.get("description", "")}
        for name, component in schema["components"]["schemas"].items()
        if "properties" in component
    ]
    context = {"info": schema["info"], "operations": operations, "components": components}
    return render(request, "api/reference.html", context)


def _operation(path: str, method: str, operation: dict[str, Any], schema: Any) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "text": operation.get("description", ""),
        "parameters": [
            {**parameter, "type": _type(parameter.get("schema", {}))}
            for parameter in operation.get("parameters", [])
        ],
        "body": next((_type(media["schema"]) for media in body.values()), ""),
        "responses": [
            {"code": code, "type": _answer(response), "text": response.get("description", "")}
            for code, response in operation["responses"].items()
        ],
    }


def _answer(response: dict[str, Any]) -> str:
    return next((_type(media["schema"]) for media in response.get("content", {}).values()), "")


def _fields(component: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {"name": name, "type": _type(field), "text": field.get("description", "").strip()}
        for name, field in component["properties"].items()
    ]


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    if "allOf" in schema or "oneOf" in schema:
        return " or ".join(_type(part) for part in schema.get("allOf") or schema["oneOf"])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    name = schema.get("type", "anything")
    if isinstance(name, list):
        return " or ".join(name)
    if name == "array":
        return f"list of {_type(schema.get('items', {}))}"
    form = schema.get("format")
    words = f"{name} ({form})" if form else name
    return f"{words} or null" if schema.get("nullable") else words
