"""What a process of each role loads when it starts: the learning libraries cost 500 MB and belong to few."""

import os
import subprocess
import sys

import pytest

HEAVY = {"torch", "numba", "sklearn", "lightgbm", "stable_baselines3", "gymnasium", "scipy"}
TASKS = {"trading.tasks.scan", "trading.tasks.control", "trading.tasks.research"}
BEAT = "import crpbot_site.celery, django_celery_beat.schedulers"
WEB = "import crpbot_site.wsgi; from django.urls import get_resolver; get_resolver().url_patterns"


def loaded(start: str) -> set[str]:
    """The modules of a fresh process that has set up Django and then run `start`."""
    code = f"import django, sys; django.setup(); {start}; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("start", "own_tasks"),
    [
        pytest.param(WEB, set(), id="web"),
        pytest.param(BEAT, set(), id="beat"),
        pytest.param("import trading.services.desk", set(), id="desk"),
        pytest.param("import trading.tasks.control", {"trading.tasks.control"}, id="control"),
    ],
)
def test_a_light_role_loads_no_learning_library_and_no_foreign_tasks(start: str, own_tasks: set[str]) -> None:
    modules = loaded(start)
    assert not modules & HEAVY
    assert modules & TASKS == own_tasks


def test_a_heavy_import_would_be_seen() -> None:
    assert "numba" in loaded("import numba")
