"""Counters and small values that all workers of a server see, and that outlive each of them and every reload (docs/native.md).

    from prefork import shared

    hits = shared.counter("hits")
    hits.add()                       # the new value; exact, whoever adds at the same time
    banner = shared.value("banner", size=200)
    banner.set(b"closed on Monday")  # the new version
    banner.get()                     # what one set() left, never a mixture

Outside a server, as in an application's tests, they are ordinary objects of the process.
"""

import threading

__all__ = ["counter", "value"]

LONGEST_NAME = 63

_lock = threading.RLock()
_known = {}


class Counter:
    def __init__(self, name):
        self.name = name
        self._value = 0

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        self.exchange(value)

    def add(self, amount=1):
        with _lock:
            self._value += amount
            return self._value

    def exchange(self, value):
        with _lock:
            before, self._value = self._value, int(value)
            return before

    def __int__(self):
        return self._value

    __index__ = __int__

    def __repr__(self):
        return f"<Counter {self.name!r} {self._value}>"


class Value:
    def __init__(self, name, size):
        self.name = name
        self.size = size
        self._pair = (None, 0)

    @property
    def version(self):
        return self._pair[1]

    def read(self):
        return self._pair

    def get(self, default=None):
        data, version = self._pair
        return data if version else default

    def set(self, data, version=None):
        data = bytes(memoryview(data))
        if len(data) > self.size:
            raise ValueError("the bytes are longer than the size that the value was made with")
        with _lock:
            if version is not None and version != self._pair[1]:
                return None
            self._pair = (data, self._pair[1] + 1)
            return self._pair[1]

    def __repr__(self):
        return f"<Value {self.name!r} version {self.version}>"


def _named(name, kind, size=0):
    if not 1 <= len(name.encode()) <= LONGEST_NAME:
        raise ValueError(f"a name has 1 to {LONGEST_NAME} bytes")
    with _lock:
        if name not in _known:
            _known[name] = kind(name) if kind is Counter else kind(name, size)
        found = _known[name]
    if type(found) is not kind or (kind is Value and found.size < size):
        raise ValueError("prefork.shared has something else of that name, or a smaller value")
    return found


def counter(name):
    """The Counter of that name, 0 when it is new."""
    return _named(name, Counter)


def value(name, size=256):
    """The Value of that name, for as many bytes at most."""
    return _named(name, Value, size)


try:
    from prefork._shared import counter, value  # noqa: F811
except ImportError:
    pass
