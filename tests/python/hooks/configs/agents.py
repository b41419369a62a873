"""What New Relic, Datadog and similar agents are started by: an import in a hook, and numbers of each request."""

import os
import time

import agent_of_a_vendor as agent  # a module beside the application

timeout = 60
graceful_timeout = 20
max_requests = 1000
max_requests_jitter = 100
preload_app = False
worker_tmp_dir = "/dev/shm"
statsd_host = os.environ.get("DD_DOGSTATSD") or None
dogstatsd_tags = "env:prod,service:shop"
proc_name = "shop"
accesslog = "-"
access_log_format = '%({x-forwarded-for}i)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s %(p)s'


def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)
    agent.initialize(os.environ["TEST_AGENT_LOG"], worker.pid)


def post_worker_init(worker):
    agent.register(worker.cfg.proc_name, worker.cfg.workers, worker.ppid)


def pre_request(worker, req):
    req.started_at = time.monotonic()
    headers = dict(req.headers)
    agent.begin(req.method, req.path, req.query, headers.get("X-TRACE"), req.remote_addr[0], req.version)


def post_request(worker, req, environ, resp):
    agent.end(req.method, resp.status, resp.status_code, dict(resp.headers)["Content-Type"], req.started_at <= time.monotonic(), environ is not None)


def worker_int(worker):
    worker.log.info("worker received INT or QUIT signal")
    import sys
    import threading
    import traceback

    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines = []
    for number, frame in sys._current_frames().items():
        lines.append("Thread %s (%s)" % (names.get(number, ""), number))
        lines.extend(line.strip() for line in traceback.format_stack(frame))
    worker.log.info("\n".join(lines))


def worker_abort(worker):
    worker.log.info("worker received SIGABRT signal")


def pre_exec(server):
    server.log.info("Forked child, re-executing.")


def when_ready(server):
    server.log.info("Server is ready. Spawning workers")


def on_exit(server):
    server.log.info("Bye from %s", server.pid)
