"""The plain file of secrets, held to what Laravel's own reader makes of the same bytes."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Sequence

from hover_async.errors import SecretsInvalid
from hover_async.secrets.plain import read_plain, write_plain
from hover_async.values import Secret

READ = """
require '/usr/share/php/Dotenv/autoload.php';
echo json_encode(array_map(function (string $text) {
    try {
        return Dotenv\\Dotenv::parse($text);
    } catch (Dotenv\\Exception\\InvalidFileException) {
        return null;
    }
}, json_decode(stream_get_contents(STDIN), true)));
"""
PIECES = [
    *"ab='\"\\$#{} \t\n\r",
    "\\n",
    "\\\\",
    '\\"',
    "\\$",
    "${A}",
    " #",
    '="',
    "é",
    "\u00a0",
    "\v",
]


def phpdotenv(image: str, texts: Sequence[str]) -> list[dict[str, str] | None]:
    """What phpdotenv reads in each text; None where it refuses."""
    done = subprocess.run(
        ["docker", "run", "--rm", "--interactive", "--entrypoint", "php", image, "-r", READ],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    # PHP has one empty array, which is JSON's list.
    return [None if found is None else dict(found) for found in json.loads(done.stdout)]


def ours(text: str) -> dict[str, str] | None:
    try:
        return {name: value.reveal() for name, value in read_plain("x", text.encode()).items()}
    except SecretsInvalid:
        return None


def test_laravel_reads_what_is_decrypted(base_image: str) -> None:
    """A plain file that was written here is to phpdotenv exactly the same secrets."""
    chance = random.Random(7)  # noqa: S311 - a test that is the same each time
    every = [
        {f"X{n}": "".join(chance.choices(PIECES, k=chance.randrange(12))) for n in range(3)}
        for _ in range(2000)
    ]
    texts = [write_plain({name: Secret(one[name]) for name in one}) for one in every]
    assert phpdotenv(base_image, texts) == every


def test_what_is_accepted_means_the_same_to_laravel(base_image: str) -> None:
    """No file is read here in one way and by phpdotenv in another: one of them refuses it.

    Left out is `="` inside a value: there phpdotenv 5 may lose the entry, and those behind it.
    """
    chance = random.Random(7)  # noqa: S311 - a test that is the same each time
    texts = [
        "\n".join(
            f"X{n}=" + "".join(chance.choices(PIECES, k=chance.randrange(8))) for n in range(2)
        )
        for _ in range(20_000)
    ]
    accepted = [
        (text, found)
        for text in texts
        if (found := ours(text)) and '="' not in re.sub(r'^X\d="', "", text, flags=re.MULTILINE)
    ]
    theirs = phpdotenv(base_image, [text for text, _ in accepted])
    both = [(text, we, they) for (text, we), they in zip(accepted, theirs, strict=True) if they]
    assert [pair for pair in both if pair[1] != pair[2]] == []
    assert len(both) > 1000
    assert any(len(text.splitlines()) > 2 for text, _, _ in both), "values of several lines"
