"""What a worker does once at its start: find the application and tell how it wants to be called.

Imported by the worker before the application; it imports nothing that a small application would not need anyway.
"""

import sys

_COROUTINE = 0x80  # inspect.CO_COROUTINE
_ASYNC_GENERATOR = 0x200


class AppImportError(Exception):
    """The application cannot be found or is no application: the worker exits with status 4 and the server does not start."""


def load_application(spec, factory=False):
    """The application that MODULE, MODULE:NAME or MODULE:FACTORY(ARGUMENTS) names; the demonstration page when nothing does."""
    if not spec:
        from prefork.demo import application

        return application
    name, colon, expression = spec.partition(":")
    module = _import(name)
    application = _evaluate(module, expression if colon else "application", spec)
    if factory:
        application = _call(application, (), {}, expression)
    if application is None:
        raise AppImportError("Failed to find application object: %r" % expression)
    if not callable(application) and not hasattr(application, "__rsgi__"):
        raise AppImportError("Application object must be callable, %r is a %s." % (spec, type(application).__name__))
    return application


def _import(name):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        # Only what the command line says can be said better there; an import inside the application is its own affair.
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            hint = _module_hint(name)
            if hint:
                raise AppImportError("Failed to find application: no module named %r; %s" % (error.name, hint)) from None
            _hint_at_a_colon(name, error)
            _hint_at_src(name, error)
        raise
    except ValueError as error:
        if error.__traceback__.tb_next is not None:  # raised by the module
            raise
        raise AppImportError("Failed to find application: %r is not a module name" % name) from None
    return sys.modules[name]


def _module_hint(name):
    import os

    if name.endswith(".py") and os.path.exists(name):
        return "did you mean '%s:%s'?" % (name[:-3].replace(os.sep, "."), "application")
    if os.sep in name:
        return "did you mean '%s'? A module is named with dots." % name.strip(os.sep).replace(os.sep, ".")
    return None


def _hint_at_a_colon(name, error):
    """shop.app, where shop is a module with an app, wants to be shop:app."""
    module, _, attribute = name.rpartition(".")
    if hasattr(sys.modules.get(module), attribute):
        error.msg += "; did you mean '%s:%s'?" % (module, attribute)


def _hint_at_src(name, error):
    """Where nobody has installed the package that lies in src."""
    import os

    package = os.path.join("src", name.partition(".")[0])
    if os.path.isdir(package) or os.path.isfile(package + ".py"):
        error.msg += "; it lies in src: --pythonpath src finds it there"


def _evaluate(module, expression, spec):
    if "(" not in expression:
        target = module
        for part in expression.split("."):
            if not part.isidentifier():
                raise AppImportError("Failed to parse %r as an attribute name or function call." % expression)
            try:
                target = getattr(target, part)
            except AttributeError:
                raise AppImportError(_attribute_hint(module, expression, spec)) from None
        return target
    return _evaluate_call(module, expression)


def _evaluate_call(module, expression):
    import ast

    try:
        call = ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise AppImportError("Failed to parse %r as an attribute name or function call." % expression) from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, (ast.Name, ast.Attribute)):
        raise AppImportError("Function reference must be a simple name: %r" % expression)
    try:
        arguments = [ast.literal_eval(argument) for argument in call.args]
        keywords = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    except ValueError:
        raise AppImportError("Failed to parse arguments as literal values: %r" % expression) from None
    if None in keywords:
        raise AppImportError("Failed to parse arguments as literal values: %r" % expression)
    name = expression[: expression.index("(")].strip()
    return _call(_evaluate(module, name, module.__name__ + ":" + name), arguments, keywords, expression)


def _call(function, arguments, keywords, expression):
    try:
        return function(*arguments, **keywords)
    except TypeError as error:
        # Raised by the call itself, not deeper: the arguments do not fit.
        if error.__traceback__.tb_next is not None:
            raise
        raise AppImportError("%s, calling %s" % (error, expression)) from None


def _attribute_hint(module, expression, spec):
    text = "Failed to find attribute %r in %r." % (expression, module.__name__)
    candidates = [name for name in ("application", "app", "wsgi", "asgi", "create_app", "make_app") if callable(getattr(module, name, None))]
    if candidates:
        call = "()" if candidates[0].endswith("_app") else ""
        text += " Did you mean '%s:%s%s'?" % (module.__name__, candidates[0], call)
    return text


def interface_of(application):
    """'native', 'asgi' or 'wsgi', by what the object says or looks like."""
    if hasattr(application, "__rsgi__") or getattr(application, "__prefork__", None):
        return "native"
    return "asgi" if _is_asgi(application) else "wsgi"


def native_callable(application):
    """(kind, what to call): 'rsgi' with a scope and a protocol, 'async' or 'sync' with a request and a reply."""
    if hasattr(application, "__rsgi__"):
        return "rsgi", application
    call = getattr(application, "__prefork__", True)
    if not callable(call):
        call = application
    return "async" if _is_coroutine_function(call) or _is_coroutine_function(getattr(type(call), "__call__", None)) else "sync", call


def _is_asgi(application):
    if isinstance(application, type):
        # A class is called for each request: ASGI 2's takes the scope alone, and its instances are coroutine functions.
        return _is_coroutine_function(getattr(application, "__call__", None)) and _parameters(application.__init__) == 2
    if _is_coroutine_function(application):
        return True
    call = getattr(type(application), "__call__", None)
    if _is_coroutine_function(call):
        return True
    # ASGI 2: application(scope) returns the coroutine function.
    function = _plain(application)
    return function is not None and _parameters(function) == 1 and function.__code__.co_varnames[:1] == ("scope",)


def _plain(function):
    """The Python function behind partials, methods and decorators that say what they wrap; None for anything else."""
    for _ in range(16):
        if hasattr(function, "__code__"):
            return function
        inner = getattr(function, "func", None) or getattr(function, "__func__", None)
        if inner is None:
            return None
        function = inner
    return None


def _parameters(function):
    code = getattr(function, "__code__", None)
    return code.co_argcount if code is not None else None


def _is_coroutine_function(function):
    if getattr(function, "_is_coroutine_mark", None) is not None or getattr(function, "_is_coroutine", None) is not None:
        return True
    plain = _plain(function)
    return plain is not None and bool(plain.__code__.co_flags & (_COROUTINE | _ASYNC_GENERATOR))


def serve_loop(application, worker, loop_kind, lifespan_mode, interface):
    """Runs the event loop of a worker; the exit status. Other workers import no asyncio."""
    from prefork._asgi import serve

    return serve(application, worker, loop_kind, lifespan_mode, interface)


def stream(reply, iterable):
    """A coroutine that sends what an asynchronous application of the native interface returned."""
    from prefork._native import stream

    return stream(reply, iterable)


def call_websocket(application, scope, receive, send):
    """A coroutine that calls an RSGI application for a WebSocket."""
    from prefork._rsgi import call

    return call(application, scope, receive, send)


def begin_worker(worker_id):
    import prefork

    prefork.worker_id = worker_id


def start_worker():
    """Runs what is registered with prefork.on_worker_start, in a worker without an event loop."""
    from prefork import _worker

    _worker.start()


def stop_worker():
    """Runs the next of what is registered with prefork.on_worker_stop; False when there is none left."""
    from prefork import _worker

    return _worker.stop_next()


def prepare_logging(settings):
    """The loggers that applications of gunicorn know, and the operator's logging configuration."""
    from prefork import _logging

    def evaluate():
        from prefork import config

        return config.evaluate(settings["config_kind"], settings["config_path"], settings.get("launch_directory", ""))

    _logging.prepare(
        settings.get("loglevel", "info"), settings.get("logconfig", ""), settings.get("logconfig_dict", ""), settings.get("logconfig_json", ""),
        evaluate,
    )


def prepare_user(uid, gid):
    """Before the process becomes that user; False when it will not be able to import everything."""
    from prefork import _user

    return _user.prepare(uid, gid)


def load_hooks(settings, age):
    """(worker, {name: function}) of the hooks that run in a worker."""
    from prefork import _hooks

    return _hooks.load(settings, age)


def note_environ(application, interface, names):
    from prefork import _environ_notes

    return _environ_notes.wrap_application(application, interface, names.split(","))


def wrap_application(application, interface, worker, functions):
    from prefork import _request_hooks

    return _request_hooks.wrap_application(application, interface, worker, functions)


def make_mold(settings):
    """What a process that forks workers needs of Python: its hooks."""
    from prefork._mold import Mold

    return Mold(settings)


def settle(interface, loop_kind):
    from prefork._mold import settle

    settle(interface, loop_kind)
