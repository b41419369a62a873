"""asgi_apps.app, which is imported when the file "gate" is there."""

import os
import time

while not os.path.exists(os.path.join(os.environ["PREFORK_TEST"], "gate")):
    time.sleep(0.01)

from asgi_apps import app  # noqa: E402, F401
