"""Sentry, initialised after the fork, with the release in the environment."""

import logging
import os

raw_env = ["SENTRY_RELEASE=shop@1.2.3"]


def post_fork(server, worker):
    import sentry_sdk

    sentry_sdk.init(
        dsn="http://key@127.0.0.1:%s/1" % os.environ["TEST_SENTRY_PORT"], release=os.environ["SENTRY_RELEASE"], traces_sample_rate=0.0,
        server_name=f"{worker.cfg.proc_name or 'shop'}-{worker.age}",
    )
    server.log.info("sentry in worker %s of %s", worker.pid, server.pid)


def worker_exit(server, worker):
    import sentry_sdk

    sentry_sdk.flush(timeout=5)
    logging.getLogger("gunicorn.error").info("sentry is flushed")
