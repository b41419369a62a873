"""The part of asynchronous native applications that is better said in Python."""


async def stream(reply, iterable):
    """Sends the pieces of an iterable, asynchronous or not, or one piece; None sends nothing. Ends what it iterates."""
    if iterable is None:
        return
    if isinstance(iterable, (bytes, str, bytearray, memoryview)):
        await reply.write(iterable)
    elif hasattr(iterable, "__aiter__"):
        await _stream_async(reply, iterable)
    elif hasattr(iterable, "__iter__") and not isinstance(iterable, dict):
        await _stream_sync(reply, iterable)
    else:
        raise TypeError(f"the application must return bytes, str, an iterable of them or None, not {type(iterable).__name__}")


async def _stream_async(reply, iterable):
    pieces = iterable.__aiter__()
    try:
        async for piece in pieces:
            await reply.write(piece)
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


async def _stream_sync(reply, iterable):
    try:
        for piece in iterable:
            await reply.write(piece)
    finally:
        close = getattr(iterable, "close", None)
        if close is not None:
            close()
