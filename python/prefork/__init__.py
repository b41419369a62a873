"""prefork: an application server for Python. The server is the `prefork` executable; this package finds and starts it."""
