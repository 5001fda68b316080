"""List every documented command that the tests of the pages do not run, each with its reason.

A page's entries are prefixes: they exclude every command that begins so, the block whose first line is that
comment, or the program with that first line. Everything else in a page runs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunBy:
    """Another test runs the command, with other options; `as_written` is its text in that test's file."""

    file: str
    as_written: str


Reason = str | RunBy

SERVE = RunBy("tests/integration/test_serve_options.py", '"scripts/serve"')
BACKUP = "tests/serve/state/test_backup.py"
DEMO = "starts a Ray for the bundled models; tests/serve/commands/test_demo.py runs all but that start"
CLUSTER = "needs a Ray cluster, and most of its lines GPUs"
DOCKER = "needs Docker, its images and a registry"
KUBERNETES = "needs a Kubernetes cluster"
INSTALLS = "changes the environment that the tests run in, from a package registry"
THESE_TESTS = "runs these tests, or the linters before them"
DOWNLOADS = "downloads a model"

NOT_RUN: dict[str, dict[str, Reason]] = {
    "README.md": {
        "scripts/demo": DEMO,
        "scripts/test": THESE_TESTS,
        "scripts/serve &": SERVE,
        "CHARACTER_MODEL=": DOWNLOADS,
        "ray up": CLUSTER,
        "serve ": CLUSTER,
    },
    "CONTRIBUTING.md": {
        "scripts/install": INSTALLS,
        "scripts/demo": DEMO,
        ".venv/bin/pre-commit install": "changes the checkout's Git hooks",
        "scripts/test": THESE_TESTS,
        "scripts/format": "rewrites the checkout",
        "scripts/lint": THESE_TESTS,
    },
    "client-js/README.md": {
        "cd client-js && npm ci": RunBy("tests/client_js/test_client_js.py", '"test:built"'),
    },
    "client/README.md": {"pip install": INSTALLS},
    "docs/backup.md": {
        "# back up PostgreSQL": RunBy(BACKUP, 'shell("back up PostgreSQL")'),
        "# back up\n": RunBy(BACKUP, 'shell("back up")'),
        "# restore PostgreSQL": RunBy(BACKUP, 'shell("restore PostgreSQL")'),
        "# restore\n": RunBy(BACKUP, 'shell("restore")'),
    },
    "docs/cluster.md": {
        "scripts/serve ": SERVE,
        "ray ": CLUSTER,
        "serve run": CLUSTER,
        "docker ": DOCKER,
        "kubectl ": KUBERNETES,
        "scripts/digests": RunBy("tests/scripts/test_digests.py", '"scripts/digests"'),
        "prometheus --config.file=monitoring/prometheus.yaml": RunBy(
            "tests/integration/one_service/test_prometheus.py", "--config.file="
        ),
        "prometheus --config.file=monitoring/prometheus-kubernetes.yaml": KUBERNETES,
        "promtool test rules": RunBy("tests/monitoring/test_alerts.py", '"test", "rules"'),
    },
    "docs/composition.md": {".venv/bin/snipbg download": DOWNLOADS},
    "docs/docker.md": {"docker compose": DOCKER},
    "docs/guides/lora.md": {
        ".venv/bin/python -m examples.train_lora": RunBy(
            "tests/examples/test_train_lora.py", "train_lora.main()"
        ),
        "scripts/serve ": SERVE,
    },
    "docs/guides/python.md": {"pip install": INSTALLS},
    "docs/guides/story-agent.md": {"pip install": INSTALLS},
    "docs/load-testing.md": {"scripts/serve ": SERVE},
    "docs/performance.md": {"scripts/gpu-day": "needs a GPU, and wheels from a package registry"},
    "docs/quick-start.md": {
        "git clone": "needs a repository to clone",
        "scripts/demo": DEMO,
    },
    "docs/reliability.md": {
        "python -m loadtest chaos": "breaks a Ray of its own: tests/integration/test_loadtest.py -m slow",
    },
    "docs/security.md": {"pip install": INSTALLS},
    "docs/tracing.md": {
        "pip install": INSTALLS,
        "OTEL_EXPORTER_OTLP_ENDPOINT=": RunBy(
            "tests/integration/test_serve_options.py", '"OTEL_EXPORTER_OTLP_ENDPOINT"'
        ),
    },
    "examples/story_agent/README.md": {
        "scripts/serve &": SERVE,
        "../../.venv/bin/python manage.py runserver": RunBy(
            "tests/integration/one_service/test_examples.py", '"runserver"'
        ),
    },
}
