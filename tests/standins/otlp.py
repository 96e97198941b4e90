"""A collector of OpenTelemetry: takes traces over OTLP/HTTP as protobuf ("OTLP Specification", 1.3), and shows them."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from .web import Handler, StandIn


@dataclass(frozen=True)
class Told:
    """A span that came. Times in nanoseconds since 1970."""

    name: str
    trace: str
    span: str
    parent: str
    begin: int
    end: int
    facts: dict[str, Any]
    moments: list[tuple[str, dict[str, Any]]]
    failed: str


class Collector(StandIn):
    """``spans``: what came so far."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[Told] = []
        self.resources: list[dict[str, Any]] = []

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """The one that takes traces."""
        return [("POST", "/v1/traces", "traces", self._traces)]

    @property
    def endpoint(self) -> str:
        """Where traces are taken."""
        return f"{self.url}/v1/traces"

    async def _traces(self, request: web.Request) -> web.Response:
        if request.content_type != "application/x-protobuf":
            self.violation(f"not protobuf: {request.content_type}")
        asked = ExportTraceServiceRequest.FromString(await request.read())
        for group in asked.resource_spans:
            self.resources.append(_facts(group.resource.attributes))
            for scope in group.scope_spans:
                self.spans += [_told(span) for span in scope.spans]
        self.pulse.beat()
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")


def _told(span: Any) -> Told:
    return Told(
        name=span.name,
        trace=span.trace_id.hex(),
        span=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        begin=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        facts=_facts(span.attributes),
        moments=[(event.name, _facts(event.attributes)) for event in span.events],
        failed=span.status.message if span.status.code == 2 else "",
    )


def _facts(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)
