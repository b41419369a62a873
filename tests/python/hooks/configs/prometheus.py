"""prometheus_client's multiprocess mode: a folder of files, a collector of its own in each scrape, and the dead taken out."""

import os

from prometheus_client import CollectorRegistry, multiprocess, start_http_server

bind = os.environ["TEST_BIND"]
workers = 2


def when_ready(server):
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    start_http_server(int(os.environ["TEST_METRICS_PORT"]), addr="127.0.0.1", registry=registry)
    server.log.info("metrics of %d workers", server.num_workers)


def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
    server.log.info("worker %s is marked dead", worker.pid)
