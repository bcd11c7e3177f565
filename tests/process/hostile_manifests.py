"""Manifests that are meant to harm: bombs, tags, injections, wrong types; and bad surroundings."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from hover_async.manifest import json_schema, load_manifest
from hover_async.manifest.document import MAX_BYTES
from tests.e2e.conftest import EXAMPLE, HoverAsync, users_environment
from tests.e2e.test_bad_input import CASES, pretend_build
from tests.process.hostile_case import CONTROLS, Ended, Said, command
from tests.unit.manifests import HOSTILE, REQUIRED
from tests.unit.test_manifest_errors import KEYS, RIGHT, UNPRINTABLE, WHOLE
from tests.unit.test_template import test_no_text_of_a_manifest_is_more_than_text as text_only

USAGE, TAKEN = 2, 0
WITHIN_S = 30
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{this}: &{this} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, this in zip("abcdefgh", "bcdefghi", strict=True)
)
DOCUMENTS: Mapping[str, str | bytes] = {
    "nine levels of aliases, nine each": BOMB + RIGHT,
    "an alias of itself": f"{RIGHT}tags: &a {{x: *a}}\n",
    "an alias of itself, in a list": f"{RIGHT}deploy-commands: &a [*a]\n",
    "20,001 values": f"{RIGHT}deploy-commands: [{'x,' * 20_001}]\n",
    "17 levels deep": f"{RIGHT}tags: {'{a: ' * 17}{'}' * 17}\n",
    "5,000 levels deep": f"{RIGHT}tags: {'[' * 5000}{']' * 5000}\n",
    "larger than 256 KiB": RIGHT.encode() + b"#" * MAX_BYTES,
    "a line of 200,000 characters": f"{RIGHT}x{'y' * 200_000}: 1\n",
    "UTF-16": RIGHT.encode("utf-16"),
    "Latin-1": RIGHT.encode() + b"tags: {a: \xfc}\n",
    "NUL in the text": RIGHT.encode() + b"tags: {a: \0}\n",
    "NUL in a value": f'{RIGHT}environment: {{A: "\\0"}}\n',
    "half a surrogate pair": f'{RIGHT}environment: {{A: "\\ud83d"}}\n',
    "an escape sequence as a value": f'{RIGHT}architecture: "\\e[2J\\e]0;x\\a"\n',
    "an escape sequence as a key": f'{RIGHT}"\\e[2J\\e]0;owned\\a": 1\n',
    "an escape sequence as a tag of YAML": f"{RIGHT}tags: !%1b%5b2J x\n",
    "a key twice": f"{RIGHT}name: other\n",
    "a merge key": f"{RIGHT}tags: {{<<: {{a: b}}}}\n",
    "a key that is a list": f"{RIGHT}? [a, b]\n: c\n",
    "!!python/object/apply": f"{RIGHT}tags: !!python/object/apply:os.system ['touch owned']\n",
    "!!python/name": f"{RIGHT}tags: {{a: !!python/name:os.system ''}}\n",
    "!!binary, !!set, !!omap": f"{RIGHT}tags: {{a: !!binary aGk=, b: !!set {{}}, c: !!omap []}}\n",
    "a tag of CloudFormation": f"{RIGHT}tags: {{a: !Ref Api, b: !Sub '${{Api}}'}}\n",
    "two documents": f"{RIGHT}---\n{RIGHT}",
    "a directive": f"%YAML 9.9\n---\n{RIGHT}",
    "no mapping": "- a\n- b\n",
    "empty": "",
    "nan, infinity, 1e400": f"{RIGHT}retain: .nan\nlog-retention: .inf\nhttp: {{memory: 1e400}}\n",
    "a number of 5,000 digits": f"{RIGHT}retain: {'9' * 5000}\n",
    "names of a shell": RIGHT.replace("shop-dev", "'a; rm -rf / #'"),
    "a name of ARNs": RIGHT.replace("shop-dev", "'*:role/x'"),
    "a name that is a path": RIGHT.replace("shop-dev", "../../x"),
    "a region that is a host": RIGHT.replace("eu-central-1", "'x.example.com/#'"),
    "a role with a line end": RIGHT.replace("role/stack", 'role/stack\\nX: y"').replace(
        "stack-role: ", 'stack-role: "'
    ),
    "a role of anybody": RIGHT.replace("role/stack", "role/*"),
    "a Dockerfile out of the project": f"{RIGHT}dockerfile: ../../../etc/passwd\n",
    "a Dockerfile by an absolute path": f"{RIGHT}dockerfile: /etc/passwd\n",
    "a queue of another account": f"{RIGHT}queue: {{jobs: {{queues: ['x/../y', 'a:b']}}}}\n",
    "a function named `${AWS::Region}`": f"{RIGHT}queue: {{'${{AWS::Region}}': {{queues: [a]}}}}\n",
    "a header within a header": (
        f'{RIGHT}assets: {{cache-control: {{"*": "no-store\\r\\nX: y"}}}}\n'
    ),
    "a health check elsewhere": f"{RIGHT}http: {{health: 'http://x.example.com'}}\n",
    "a deploy command of a shell": f"{RIGHT}deploy-commands: ['migrate && reboot']\n",
    "a deploy command of no artisan": f"{RIGHT}deploy-commands: ['php -r x']\n",
    "a variable of Lambda's own": f"{RIGHT}environment: {{AWS_SESSION_TOKEN: x}}\n",
    "a variable whose name has `=`": f"{RIGHT}environment: {{'A=B': x}}\n",
    "a tag of AWS's own": f"{RIGHT}tags: {{'aws:cloudformation:stack-name': x}}\n",
}
VALUES: Sequence[str] = (
    *("null", "true", "5", "-1", "0x1F", "1e400", ".nan", "-.inf", "9" * 5000, "2026-01-01"),
    *("''", "' '", "[]", "{}", "[[]]", "{a: {b: c}}", "[null]", "'*'", "../../etc/passwd"),
    *('"a\\0b"', '"\\e[2J"', '"\\ud83d"', "!!python/name:os.system x", f"'{'x' * 100_001}'"),
)
TEXTS: Sequence[str] = (
    *HOSTILE,
    *("{'Fn::GetAtt': [Api, Arn]}", "{{resolve:secretsmanager:x}}", "$(id)", "`id`", "; id #"),
    *("../../x", "*", "%s%n", "\u202egpj", "'; DROP TABLE x; --", "<script>", "\r\nX: y"),
)


def run_all(root: Path, only: str = "", *, with_programs: bool = True) -> list[Ended]:
    """Every case whose name contains `only`; `with_programs`, those that need a process each."""
    (root / ".hover").mkdir(parents=True)
    groups: Mapping[str, Callable[[], Ended]] = {
        **{name: lambda name=name: refused(name, root, DOCUMENTS[name]) for name in DOCUMENTS},  # type: ignore[misc]
        "`tests/unit/bad_manifests.txt`": lambda: known(root, [*WHOLE, *UNPRINTABLE]),
        "`tests/unit/bad_keys.txt`": lambda: known(
            root, [(RIGHT + yml, says) for yml, says in KEYS]
        ),
        "every key with every kind of value": lambda: everywhere(root, VALUES),
        "every key with text of templates and shells": lambda: everywhere(
            root, [json.dumps(text) for text in TEXTS]
        ),
    }
    ended: list[Ended] = []
    for name, run in groups.items():
        if only in name:
            one = run()
            one.name = name
            ended.append(one)
    if with_programs:
        ended += [surrounded(name, root / str(at)) for at, name in enumerate(CASES) if only in name]
    return ended


def meets(root: Path, manifest: str | bytes) -> Said:
    """The command that reads a manifest and needs nothing else."""
    content = manifest.encode() if isinstance(manifest, str) else manifest
    (root / ".hover/dev.yml").write_bytes(content)
    return command("iam", "deployer", "dev", "-C", str(root))


def refused(name: str, root: Path, manifest: str | bytes) -> Ended:
    told = meets(root, manifest)
    ended = Ended(name, told.line(root), told.exit_code, broken=told.broken(), seconds=told.seconds)
    if (told.exit_code, told.code) != (USAGE, "manifest"):
        ended.broken.append(f"exit {told.exit_code}, {told.code}: not refused")
    if told.seconds > WITHIN_S:
        ended.broken.append(f"{told.seconds:.1f} s")
    if Path("owned").exists():
        ended.broken.append("what the manifest says was run")
    return ended


def known(root: Path, cases: Sequence[tuple[str, str]]) -> Ended:
    """Cases whose words the unit tests hold to the letter."""
    ended = Ended("", "the problems in the file's order, each with its place", USAGE, count=0)
    for text, says in cases:
        one = refused("", root, text)
        said = meets(root, text).text
        ended.count += 1
        ended.broken += one.broken
        ended.broken += [f"not told: {line}" for line in says.splitlines() if line not in said]
    ended.said = f"{ended.count} cases: {ended.said}"
    return ended


def everywhere(root: Path, values: Sequence[str]) -> Ended:
    """Each value at each key of the schema: refused, or taken as text and nothing more."""
    ended, taken = Ended("", "", USAGE, count=0), 0
    for where in places():
        for value in values:
            ended.count += 1
            text = with_value(where, value)
            told = meets(root, text)
            if told.exit_code != TAKEN:
                ended.broken += [f"{where}: {value[:40]}: {each}" for each in told.broken()]
                if (told.exit_code, told.code) != (USAGE, "manifest"):
                    ended.broken.append(f"{where}: {value[:40]}: exit {told.exit_code}")
                continue
            taken += 1
            if CONTROLS.search(told.text):
                ended.broken.append(f"{where}: {value[:40]}: a control character")
            ended.broken += more_than_text(root, f"{where}: {value[:40]}")
    ended.said = (
        f"{ended.count:,} cases: {ended.count - taken:,} refused with their place, {taken} taken"
    )
    return ended


def more_than_text(root: Path, case: str) -> Iterator[str]:
    """What in the template of a manifest that was taken is more than a value (I17)."""
    stage = load_manifest(root / ".hover/dev.yml")
    try:
        text_only.hypothesis.inner_test(stage)  # type: ignore[attr-defined]
    except AssertionError as error:
        yield f"{case}: {error}"


def places() -> Iterator[tuple[str, ...]]:
    """Every key of the manifest, by the schema; of sections with free keys, one such key."""
    schema = json_schema()
    sections: Mapping[str, Any] = schema["$defs"]
    for name, found in schema["properties"].items():
        yield (name,)
        if name in {"environment", "build-args", "tags"}:
            yield (name, "KEY")
        above = (name, "jobs") if name == "queue" else (name,)
        for section in re.findall(r"#/\$defs/(\w+)", json.dumps(found)):
            for key in sections[section].get("properties", ()):
                yield (*above, key)


def with_value(where: tuple[str, ...], value: str) -> str:
    """The small manifest with this YAML at that key."""
    document: dict[str, Any] = deepcopy(dict(REQUIRED))
    section = document
    for key in where[:-1]:
        section = section.setdefault(key, {})
    section[where[-1]] = "@@"
    return yaml.safe_dump(document, sort_keys=False).replace("'@@'", value)


def surrounded(name: str, project: Path) -> Ended:
    """A case of `tests/e2e/test_bad_input.py`, as a process of its own."""
    case = CASES[name]
    shutil.copytree(EXAMPLE / ".hover", project / ".hover", ignore=shutil.ignore_patterns("out"))
    if case.edit:
        manifest = project / ".hover/dev.yml"
        manifest.write_text(manifest.read_text().replace(*case.edit, 1))
    if case.built:
        pretend_build(project)
    program = HoverAsync(project, {**users_environment(), **case.environment})
    done = program.run(*case.arguments.split())
    told = Said(done.stdout + done.stderr, done.returncode, 0.0)
    ended = Ended(name, told.line(project), told.exit_code)
    ended.broken += [f"not told: {words}" for words in case.expected if words not in done.stderr]
    if told.exit_code != case.exit_code or "Traceback" in told.text:
        ended.broken.append(f"exit {told.exit_code}")
    return ended
