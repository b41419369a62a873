"""Where prefork answers otherwise than gunicorn on purpose: (what, gunicorn, prefork, why). docs/migrating-from-gunicorn.md has the same rows."""

import collections

Difference = collections.namedtuple("Difference", "what gunicorn prefork why")

DIFFERENCES = {
    "typed": Difference("a value on the command line that is not allowed", "exits with 1 or 2, by the kind of check", "exits with 2",
                        "one code for all that was typed wrong; 1 stays for files and variables"),
    "late": Difference("addresses, classes, formats, modes and levels that mean nothing", "found when the server runs, or never", "refused at once",
                       "`--check-config` finds them before a deploy does"),
    "zero": Difference("`--workers 0`, `--threads 0`, `--worker-connections 0`, `--backlog 0`, `--limit-request-fields 0`", "accepted", "refused",
                       "nothing could be served, or the kernel's smallest queue would be used"),
    "switch": Difference("`--reload=true`, `--no-preload`, `--timeout 0.5`, `--workers auto`", "refused", "accepted", "switches have both forms, and times units"),
    "extra": Difference("words behind the application", "the first is the application, others are ignored", "refused", "they are a forgotten flag"),
    "optional": Difference("`--proxy-protocol app:app`", "takes the application for the mode", "mode auto", "the next word is the mode only when it is one"),
    "files": Difference("`--reload-extra-file` that is not there yet", "refused", "accepted", "patterns match what appears later"),
    "no_app": Difference("no application", "exits with 1", "serves a page that says how to go on", "the first start shows something"),
    "refused": Difference("settings that cannot apply", "have their effect", "answered with what to do instead", "see settings.md"),
    "hooks": Difference("`nworkers_changed` at a reload; `when_ready`; an exception in `post_fork` or `post_worker_init`", "called with the same number twice; before the first worker; ends the server",
                        "called when the number changes; when the first workers serve; is logged", "a hook that fails keeps nobody from serving; only `on_starting` prevents a start"),
    "backlog": Difference("the metric `gunicorn.backlog`", "connections that the kernel keeps", "requests that wait for a worker",
                          "the master accepts at once: what waited in the kernel waits in its queue"),
    "syslog": Difference("a syslog behind TCP or a stream socket", "messages end with a zero byte", "messages end with a line feed", "RFC 6587 3.4.2: what receivers split at"),
    "protocol": Difference("the version HTTP/3.7; a body in an unknown coding that does not end with chunked", "400; 501", "505; 400", "RFC 9110 15.6.6; RFC 9112 6.3"),
}
