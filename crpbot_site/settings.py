"""Django's settings, derived from the environment; what an operator sets stands in `crpbot_site/environment.py`."""

from typing import Any

from crpbot_site import environment, logs
from crpbot_site.database import database
from crpbot_site.panel.theme import UNFOLD as UNFOLD

CRPBOT = environment.load_or_exit()

# --- the process
DEBUG = False
BASE_DIR = environment.PROJECT
SECRET_KEY = environment.session_key(CRPBOT)
ROOT_URLCONF = "crpbot_site.urls"
WSGI_APPLICATION = "crpbot_site.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "crpbot_site.panel",  # before unfold: its templates are found first
    "unfold",
    "unfold.contrib.filters",
    "crpbot_site",
    "trading",
    "django_celery_beat",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "crpbot_site.panel.middleware.PanelMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- rows
DATABASES: dict[str, Any] = {"default": database(CRPBOT)}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- time and words
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = ["crpbot_site.panel.formats"]

# --- files that a browser asks for
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise warns of a folder that is missing
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# --- people
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_NAME = "crpbot_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True

# --- the address
# The health pages are asked for on loopback, whatever the panel's own address is.
ALLOWED_HOSTS = list(dict.fromkeys([CRPBOT.host, "127.0.0.1", "localhost", "[::1]"]))
CSRF_TRUSTED_ORIGINS = [CRPBOT.url]
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
if CRPBOT.https:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^health/"]
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- logs
LOGGING = logs.configuration(level=CRPBOT.log_level, hidden=(SECRET_KEY, *CRPBOT.secret_values()))
