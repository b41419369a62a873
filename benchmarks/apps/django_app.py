from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for benchmarks only",
    USE_TZ=True,
)


def index(request):
    return HttpResponse("Hello, world!", content_type="text/plain")


urlpatterns = [path("", index)]
app = get_wsgi_application()
