"""The same small site in four frameworks: /hello/NAME, /form (POST a=…), /upload (POST a body), /stream, /file, /error, /cookie."""

import hashlib


def flask():
    from flask import Flask, Response, make_response, request, send_file

    app = Flask(__name__)

    @app.get("/hello/<name>")
    def hello(name):
        return f"Hello, {name}!"

    @app.post("/form")
    def form():
        return {"a": request.form["a"], "file": request.files["f"].read().decode() if "f" in request.files else None}

    @app.post("/upload")
    def upload():
        digest = hashlib.sha256()
        while piece := request.stream.read(65536):
            digest.update(piece)
        return digest.hexdigest()

    @app.get("/stream")
    def stream():
        return Response((f"line {i}\n" for i in range(1000)), mimetype="text/plain")

    @app.get("/file")
    def file():
        return send_file(__file__)

    @app.get("/error")
    def error():
        raise RuntimeError("deliberate")

    @app.get("/cookie")
    def cookie():
        reply = make_response(request.cookies.get("seen", "new"))
        reply.set_cookie("seen", "yes")
        reply.set_cookie("other", "too")
        return reply

    return app


def django():
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path

    def hello(request, name):
        return HttpResponse(f"Hello, {name}!")

    def form(request):
        file = request.FILES.get("f")
        return JsonResponse({"a": request.POST["a"], "file": file.read().decode() if file else None})

    def upload(request):
        digest = hashlib.sha256()
        while piece := request.read(65536):
            digest.update(piece)
        return HttpResponse(digest.hexdigest())

    def stream(request):
        return StreamingHttpResponse((f"line {i}\n" for i in range(1000)), content_type="text/plain")

    def file(request):
        return FileResponse(open(__file__, "rb"))

    def error(request):
        raise RuntimeError("deliberate")

    def cookie(request):
        reply = HttpResponse(request.COOKIES.get("seen", "new"))
        reply.set_cookie("seen", "yes")
        reply.set_cookie("other", "too")
        return reply

    urls = [path("hello/<name>", hello), path("form", form), path("upload", upload), path("stream", stream), path("file", file), path("error", error), path("cookie", cookie)]
    module = type("urls", (), {"urlpatterns": urls})
    if not settings.configured:
        settings.configure(ROOT_URLCONF=module, SECRET_KEY="for tests", ALLOWED_HOSTS=["*"], MIDDLEWARE=["django.middleware.common.CommonMiddleware"])
        django.setup()
    return get_wsgi_application()


def bottle():
    from bottle import Bottle, request, response, static_file

    app = Bottle()
    app.catchall = False

    @app.get("/hello/<name>")
    def hello(name):
        return f"Hello, {name}!"

    @app.post("/form")
    def form():
        file = request.files.get("f")
        return {"a": request.forms["a"], "file": file.file.read().decode() if file else None}

    @app.post("/upload")
    def upload():
        return hashlib.sha256(request.environ["wsgi.input"].read()).hexdigest()

    @app.get("/stream")
    def stream():
        response.content_type = "text/plain"
        return (f"line {i}\n" for i in range(1000))

    @app.get("/file")
    def file():
        folder, _, name = __file__.rpartition("/")
        return static_file(name, folder)

    @app.get("/error")
    def error():
        raise RuntimeError("deliberate")

    @app.get("/cookie")
    def cookie():
        seen = request.get_cookie("seen", "new")
        response.set_cookie("seen", "yes")
        response.set_cookie("other", "too")
        return seen

    return app


def falcon():
    import falcon

    class Site:
        def on_get_hello(self, request, response, name):
            response.text = f"Hello, {name}!"

        def on_post_form(self, request, response):
            form = {part.name: part.text for part in request.get_media()} if "multipart" in request.content_type else request.get_media()
            response.media = {"a": form["a"], "file": form.get("f")}

        def on_post_upload(self, request, response):
            response.text = hashlib.sha256(request.bounded_stream.read()).hexdigest()

        def on_get_stream(self, request, response):
            response.content_type = "text/plain"
            response.stream = (f"line {i}\n".encode() for i in range(1000))

        def on_get_file(self, request, response):
            response.stream = open(__file__, "rb")

        def on_get_error(self, request, response):
            raise RuntimeError("deliberate")

        def on_get_cookie(self, request, response):
            response.text = request.cookies.get("seen", "new")
            response.set_cookie("seen", "yes", secure=False)
            response.set_cookie("other", "too", secure=False)

    app = falcon.App()
    site = Site()
    app.add_route("/hello/{name}", site, suffix="hello")
    for name in ("form", "upload", "stream", "file", "error", "cookie"):
        app.add_route("/" + name, site, suffix=name)
    return app
