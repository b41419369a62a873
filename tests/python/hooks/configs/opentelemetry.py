"""OpenTelemetry: providers with threads must be made after the fork, and flushed at the end."""

import os

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter


def post_fork(server, worker):
    resource = Resource.create({"service.name": "shop", "service.instance.id": f"{server.pid}-{worker.pid}"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=open(os.environ["TEST_SPANS"], "a"))))
    trace.set_tracer_provider(provider)


def worker_exit(server, worker):
    trace.get_tracer_provider().shutdown()
