"""As projects with Django have it: sizes from the machine, settings in the environment, connections closed after the fork."""

import multiprocessing
import os

wsgi_app = "django_site:application"
chdir = os.environ["TEST_PROJECT"]
raw_env = ["DJANGO_SETTINGS_MODULE=django_site"]
workers = min(2, multiprocessing.cpu_count() * 2 + 1)
threads = 2
worker_class = "gthread"
keepalive = 5
forwarded_allow_ips = "*"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
limit_request_line = 8190
errorlog = "-"
loglevel = "info"
capture_output = True


def post_fork(server, worker):
    from django.db import connections

    connections.close_all()
    server.log.info("connections of worker %s are its own", worker.age)
