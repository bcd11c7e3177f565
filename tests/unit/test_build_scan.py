"""What a finished image must not carry."""

from __future__ import annotations

import pytest

from hover_async.build.scan import SHOWN, require_safe
from hover_async.errors import ImageUnsafe

ALLOWED = [".hover/out/application", ".hover/Dockerfile", ".hover/vendor"]


@pytest.mark.parametrize(
    "path",
    [
        "var/task/.env",
        "var/task/.env.production",
        "var/task/app/.env.local",
        "var/task/.envrc",
        "usr/src/app/.env",
        "srv/.git/config",
        "var/task/.git/HEAD",
        "var/task/.hover/prod.yml",
        "var/task/.hover/prod-secrets.json",
        "var/task/.hover/out/assets/app.css",
        "var/task/.hover/vendor2",
        "var/task/.hover/out/application/.env",
        "var/task/prod-secrets.plain.env",
        "var/task/vendor/prod-secrets.plain.env",
        "var/task/storage/oauth-private.key",
        "root/.ssh/id_ed25519",
        "var/task/id_rsa",
        "var/task/config/private.pem",
        "var/task/tls-key.pem",
        "var/task/apple.p12",
        "var/task/auth.json",
        "root/.composer/auth.json",
        "root/.aws/credentials",
        "root/.docker/config.json",
    ],
)
def test_a_secret_is_found_in_any_layer(path: str) -> None:
    """A path of a secret or of a developer's own file is refused and named, wherever it is."""
    with pytest.raises(ImageUnsafe, match=path.replace(".", r"\.")) as failure:
        require_safe({"lower": ["etc/os-release", path], "upper": []}, "dev:b1", allowed=ALLOWED)
    assert failure.value.hint


@pytest.mark.parametrize(
    "path",
    [
        "var/task/.env.example",
        "var/task/vendor/vlucas/phpdotenv/tests/.env",
        "var/task/node_modules/dotenv/.env",
        "var/task/vendor/league/oauth2-server/tests/private.key",
        "var/task/.gitignore",
        "var/task/.wh..env",
        "var/task/.hover/out/application/hover_runtime/secrets.json",
        "var/task/.hover/Dockerfile",
        "var/task/.hover/vendor",
        "var/task/hover_runtime/secrets.json",
        "var/task/lang/en/auth.json",
        "var/task/storage/cacert.pem",
        "var/task/environment.php",
        "etc/ssl/private/ssl-cert-snakeoil.key",
        "usr/share/doc/openssl/demo-key.pem",
        "var/task/app/Secrets.php",
    ],
)
def test_what_belongs_into_an_image_is_let_through(path: str) -> None:
    """Examples, packages' fixtures, the system's files and the runtime's own are no finding."""
    assert require_safe({"one": [path, "bin/sh"]}, "dev:b1", allowed=ALLOWED) == 2


def test_many_findings_are_cut_short() -> None:
    """Of many findings the first ones are named and the others counted."""
    paths = [f"var/task/{number}/.env" for number in range(SHOWN + 7)]
    with pytest.raises(ImageUnsafe, match="and 7 more"):
        require_safe({"one": paths}, "dev:b1", allowed=ALLOWED)
