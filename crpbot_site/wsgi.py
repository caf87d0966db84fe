"""The door for a web server: `gunicorn crpbot_site.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crpbot_site.settings")

application = get_wsgi_application()
