"""Every setting of the portal, read from `FLEET_*` environment variables alone.

Two modes. Development (the default) makes its own secret and listens on loopback. Production
(`FLEET_MODE=production`) refuses to start on a missing or sample secret and on an open host list.
"""

import secrets
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from fleet_portal.databases import database_from_url
from fleet_portal.env import Env

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent

FLEET_MODE = env.choice("FLEET_MODE", ("development", "production"), "development")
PRODUCTION = FLEET_MODE == "production"
DEBUG = env.flag("FLEET_DEBUG", False)

# Where the embedded portal keeps its database, its sockets and its own certificate.
FLEET_DATA_DIR = Path(env.text("FLEET_DATA_DIR", str(BASE_DIR / ".data"))).resolve()
FLEET_RUN_DIR = Path(env.text("FLEET_RUN_DIR", str(FLEET_DATA_DIR / "run"))).resolve()


def _secret_key() -> str:
    """Return the configured secret; in development one that is made once and kept in a file."""
    given = env.secret("FLEET_SECRET_KEY")
    if given:
        if PRODUCTION and (len(given) < 50 or "insecure" in given or "change" in given.lower()):
            raise ImproperlyConfigured(
                "FLEET_SECRET_KEY is a sample or shorter than 50 characters: make one with"
                ' `python -c "import secrets; print(secrets.token_urlsafe(64))"`.'
            )
        return given
    if PRODUCTION:
        raise ImproperlyConfigured("FLEET_SECRET_KEY is not set: production mode needs one.")
    path = FLEET_DATA_DIR / "secret-key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(64), encoding="ascii")
    return path.read_text(encoding="ascii")


SECRET_KEY = _secret_key()

# The one public address. FLEET_LISTEN: host:port the gateway binds; FLEET_PUBLIC_URL: what people,
# agents and manifests are told.
FLEET_LISTEN = env.text("FLEET_LISTEN", "127.0.0.1:8443")
FLEET_PUBLIC_URL = env.text("FLEET_PUBLIC_URL", f"https://{FLEET_LISTEN}").rstrip("/")
if not FLEET_PUBLIC_URL.startswith("https://"):
    raise ImproperlyConfigured("FLEET_PUBLIC_URL must start with https://.")
# Where the portal itself dials its gateway: beside it, unless the roles run apart.
FLEET_GATEWAY_URL = env.text(
    "FLEET_GATEWAY_URL",
    f"https://{FLEET_LISTEN.replace('0.0.0.0:', '127.0.0.1:').replace('[::]:', '[::1]:')}",
).rstrip("/")
# Empty: the portal's own authority signs the gateway's certificate, and agents pin its key.
FLEET_TLS_CERT = env.text("FLEET_TLS_CERT")
FLEET_TLS_KEY = env.text("FLEET_TLS_KEY")
if bool(FLEET_TLS_CERT) != bool(FLEET_TLS_KEY):
    raise ImproperlyConfigured("Set both FLEET_TLS_CERT and FLEET_TLS_KEY, or neither.")
# Where a controller that runs apart answers /healthz, /readyz and /metrics.
FLEET_CONTROLLER_LISTEN = env.text("FLEET_CONTROLLER_LISTEN", "127.0.0.1:8081")
FLEET_AGENT_IMAGE = env.text("FLEET_AGENT_IMAGE", "fleet-portal/agent:0.1.0")

ALLOWED_HOSTS = env.names("FLEET_ALLOWED_HOSTS", () if PRODUCTION else ("*",))
if PRODUCTION and (not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS):
    raise ImproperlyConfigured(
        "FLEET_ALLOWED_HOSTS must list the portal's host names in production mode, without *."
    )
CSRF_TRUSTED_ORIGINS = [FLEET_PUBLIC_URL]

# Timers. Production defaults come from the architecture; the demo and tests set seconds.
FLEET_WAVE_SOAK_SECONDS = env.seconds("FLEET_WAVE_SOAK", 10.0)
FLEET_MESH_TICK_SECONDS = env.seconds("FLEET_MESH_TICK", 2.0)
FLEET_MESH_HOLD_DOWN_SECONDS = env.seconds("FLEET_MESH_HOLD_DOWN", 600.0)
FLEET_MESH_RATE_WINDOW_SECONDS = env.seconds("FLEET_MESH_RATE_WINDOW", 5.0)
FLEET_JOIN_TOKEN_SECONDS = env.seconds("FLEET_JOIN_TOKEN_LIFE", 1800.0)

INSTALLED_APPS = [
    "fleet_portal.common.admin_config.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "csp",
    "fleet_portal.common",
    "fleet_portal.roles",
    "clusters",
    "deployments",
    "mesh",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "fleet_portal.common.middleware.RefusalMiddleware",
]

ROOT_URLCONF = "fleet_portal.urls"
ASGI_APPLICATION = "fleet_portal.asgi.application"
WSGI_APPLICATION = None
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "common.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "fleet_portal.common.context.portal",
            ],
        },
    }
]

DATABASES = {
    "default": database_from_url(
        env.secret("FLEET_DATABASE_URL") or f"sqlite:///{FLEET_DATA_DIR / 'portal.sqlite3'}"
    )
}

# Hints only: the rows are the truth, so the in-memory layer is right for one process.
FLEET_REDIS_URL = env.secret("FLEET_REDIS_URL")
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": (
        {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [FLEET_REDIS_URL]},
        }
        if FLEET_REDIS_URL
        else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    )
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "fleet_portal" / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
# Collected for production alone; development serves the sources.
_static_root = env.text("FLEET_STATIC_ROOT", str(BASE_DIR / "staticfiles") if PRODUCTION else "")
STATIC_ROOT = Path(_static_root) if _static_root else None
STATICFILES_DIRS = [
    ("css", str(BASE_DIR / "static" / "css")),
    ("js", str(BASE_DIR / "static" / "js")),
]
if (BASE_DIR / "static" / "vendor").is_dir():
    STATICFILES_DIRS.append(("vendor", str(BASE_DIR / "static" / "vendor")))
WHITENOISE_USE_FINDERS = not PRODUCTION
# Files change under a portal in development; sizes noted at its start would cut them off.
WHITENOISE_AUTOREFRESH = not PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if PRODUCTION
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
}

# The gateway ends TLS and alone writes X-Forwarded-*.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.BasicAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["fleet_portal.common.rest.BoundedJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "fleet_portal.common.pagination.PagePagination",
    "PAGE_SIZE": 50,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "fleet_portal.common.errors.api_error",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Fleet Portal",
    "VERSION": "v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("FLEET_LOG_LEVEL", "INFO")},
}
