"""`DockerEngine` against the real engine: building, running, copying out, looking into layers.

Images are made from one static busybox (Debian: busybox-static), so that nothing is downloaded.
"""

from __future__ import annotations

import secrets
import shutil
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import aiodocker
import pytest
from anyio import Event, create_task_group, fail_after, sleep

from hover_async.concurrency import task_group
from hover_async.docker.engine import DockerEngine, open_engine
from hover_async.errors import DockerError, ImageBuildFailed, ImageUnsafe, ProjectError
from hover_async.ports import BuildRequest
from hover_async.values import Architecture

pytestmark = pytest.mark.anyio

RepositoryName = str
BASE = """
FROM scratch AS base
COPY busybox /bin/busybox
COPY busybox /bin/sh
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def engine() -> AsyncIterator[DockerEngine]:
    async with open_engine() as opened:
        yield opened


@pytest.fixture
async def name(engine: DockerEngine) -> AsyncIterator[RepositoryName]:
    """A repository of this test's own; its images are removed afterwards."""
    own = f"hover-test-{secrets.token_hex(4)}"
    yield own
    await remove_tags(engine, f"{own}:")


async def remove_tags(engine: DockerEngine, prefix: str) -> None:
    """Remove the tags that begin with `prefix`, and no other image whatever the engine lists.

    By tag and unforced: an engine that ignores a filter (20.10 does ignore `filter`) lists
    everything, and removing by id would take other people's tags with it.
    """
    assert prefix.startswith("hover-test-")
    for image in await engine._docker.images.list():
        for tag in image["RepoTags"] or ():
            if tag.startswith(prefix):
                await engine._docker.images.delete(tag)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    found = shutil.which("busybox")
    assert found, "install busybox-static: the images of these tests are made from it"
    directory = tmp_path / "project"
    (directory / ".hover").mkdir(parents=True)
    shutil.copy(found, directory / "busybox")
    return directory


def request(project: Path, dockerfile: str, name: RepositoryName) -> BuildRequest:
    """A build of `dockerfile`, tagged `name:built`; where it has no base of its own, on `BASE`."""
    whole = dockerfile if dockerfile.startswith("FROM scratch") else BASE + dockerfile
    (project / ".hover/Dockerfile").write_text(whole)
    return BuildRequest(
        context=project,
        dockerfile=".hover/Dockerfile",
        target=None,
        tags=[f"{name}:built"],
        build_args={},
        architecture=Architecture.X86_64,
    )


def nowhere(line: str) -> None:
    """Output that a test does not look at."""


async def own_architecture(engine: DockerEngine, wanted: BuildRequest) -> BuildRequest:
    return replace(wanted, architecture=await engine.architecture())


async def containers_of(
    engine: DockerEngine, image: str
) -> Sequence[aiodocker.containers.DockerContainer]:
    return await engine._docker.containers.list(all=True, filters=f'{{"ancestor": ["{image}"]}}')


async def until(condition: Callable[[], bool]) -> None:
    with fail_after(20):
        while not condition():  # noqa: ASYNC110 - another process makes it true: no event tells
            await sleep(0.05)


async def test_build_tags_labels_and_passes_arguments(
    engine: DockerEngine, project: Path, name: str
) -> None:
    """A build gives the target asked for its arguments, labels and every tag."""
    wanted = request(
        project,
        """
        FROM base AS wanted
        ARG WORD
        RUN echo "the word is $WORD"
        ENTRYPOINT ["/bin/sh"]
        FROM base AS other
        RUN exit 1
        """,
        name,
    )
    word = secrets.token_hex(4)
    lines: list[str] = []
    built = await engine.build(
        replace(
            await own_architecture(engine, wanted),
            target="wanted",
            tags=[f"{name}:one", f"{name}:two"],
            build_args={"WORD": word},
            labels={"maker": "a test"},
        ),
        lines.append,
    )
    assert built == await engine.inspect(f"{name}:one") == await engine.inspect(f"{name}:two")
    assert built.size_bytes > 1_000_000
    found = await engine._docker.images.inspect(built.id)
    assert found["Config"]["Labels"]["maker"] == "a test"
    (step,) = [line for line in lines if "RUN echo" in line]
    number = step.partition(" ")[0]
    at = [lines.index(line) for line in (step, f"{number} the word is {word}", f"{number} DONE")]
    assert at == sorted(at)


async def test_a_failing_step_is_named_with_its_output(
    engine: DockerEngine, project: Path, name: str
) -> None:
    """A step that fails ends the build with an error that names it and carries what it printed."""
    wanted = request(project, "FROM base\nRUN echo before; echo why >&2; exit 7\n", name)
    with pytest.raises(ImageBuildFailed, match=r"RUN echo before.*failed.*7") as failure:
        await engine.build(await own_architecture(engine, wanted), nowhere)
    assert sorted(failure.value.output.splitlines()) == ["before", "why"]
    assert failure.value.hint
    assert await engine.inspect(f"{name}:built") is None


async def test_a_failure_that_two_targets_share_is_told_whole(
    engine: DockerEngine, project: Path, name: str
) -> None:
    """Built at once, two targets whose common step fails give one error with the step's output."""
    wanted = await own_architecture(
        engine,
        request(
            project,
            "FROM base AS common\nRUN busybox sleep 0.5; echo why; exit 7\n"
            "FROM common AS one\nRUN true\nFROM common AS two\nRUN true\n",
            name,
        ),
    )

    async def build_both() -> None:
        async with task_group() as images:
            for target in ("one", "two"):
                images.start_soon(engine.build, replace(wanted, target=target), nowhere)

    with pytest.raises(ImageBuildFailed, match="RUN busybox sleep") as failure:
        await build_both()
    assert failure.value.output == "why"


@pytest.mark.parametrize(
    ("dockerfile", "message"),
    [
        ("FROM base\nRUNN true\n", "RUNN"),
        ("FROM base\nCOPY absent /\n", "absent"),
        ("FROM base AS other\n", "missing"),
    ],
)
async def test_a_wrong_dockerfile_is_told_in_the_engines_words(
    engine: DockerEngine, project: Path, name: str, dockerfile: str, message: str
) -> None:
    """What the engine finds wrong with a Dockerfile is the message."""
    wanted = replace(
        request(project, dockerfile, name), target="missing" if "other" in dockerfile else None
    )
    with pytest.raises(ImageBuildFailed, match=message):
        await engine.build(await own_architecture(engine, wanted), nowhere)


async def test_the_context_is_what_is_allowed_and_what_is_grafted(
    engine: DockerEngine, project: Path, name: str, tmp_path: Path
) -> None:
    """Ignored and never-sent files stay out, even against `!`; grafted ones are in, unfiltered."""
    for path in (
        "app/a.php",
        "app/b.log",
        "app/keep.log",
        ".env",
        "app/.env",
        ".git/HEAD",
        ".hover/secret",
    ):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(path)
    (project / "app/link").symlink_to("/etc/hostname")
    (project / ".dockerignore").write_text("**/*.log\n!app/keep.log\nbusybox\n!.env\n!.git\n")
    (project / "ümlaut é.txt").write_text("")
    (project / ("long" * 40 + ".txt")).write_text("")
    graft = tmp_path / "graft"
    (graft / "deep").mkdir(parents=True)
    (graft / "deep/runtime.log").write_text("")
    wanted = replace(
        request(project, "FROM scratch\nCOPY . /ctx/\n", name),
        never_sent=["**/.env", ".git", ".hover/*"],
        grafts={".hover/out/application": graft},
    )
    built = await engine.build(await own_architecture(engine, wanted), nowhere)
    layers = await engine.files(built.id)
    assert sorted(path for paths in layers.values() for path in paths) == sorted(
        [
            "ctx/.dockerignore",
            "ctx/.hover/Dockerfile",
            "ctx/.hover/out/application/deep/runtime.log",
            "ctx/app/a.php",
            "ctx/app/keep.log",
            "ctx/app/link",
            "ctx/" + "long" * 40 + ".txt",
            "ctx/ümlaut é.txt",
        ]
    )


async def test_a_large_context_streams_through_little_memory(
    engine: DockerEngine, project: Path, name: str
) -> None:
    """A file of 128 MB in the context costs the client less than 16 MB."""
    with (project / "large.bin").open("wb") as file:
        file.truncate(128 * 1024 * 1024)
    wanted = await own_architecture(engine, request(project, "FROM base\n", name))
    tracemalloc.start()
    try:
        await engine.build(wanted, nowhere)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 * 1024 * 1024


async def test_an_unreadable_context_is_the_projects_error(
    engine: DockerEngine, project: Path, name: str
) -> None:
    """A file that cannot be read is named as the project's fault, not as a lost connection."""
    wanted = await own_architecture(engine, request(project, "FROM base\n", name))
    wanted = replace(wanted, grafts={"grafted": project / "absent"})
    with pytest.raises(ProjectError, match="absent"):
        await engine.build(wanted, nowhere)


async def test_a_stage_that_targets_share_runs_once(
    engine: DockerEngine, project: Path, name: str
) -> None:
    """Targets that are built at once share the very same run of a stage that they share."""
    dockerfile = """
        FROM base AS common
        RUN busybox sleep 0.5; busybox head -c 9 /dev/urandom | busybox od -x > /drawn
        FROM common AS one
        CMD ["/bin/busybox", "cat", "/drawn"]
        FROM base AS two
        COPY --from=common /drawn /drawn
        CMD ["/bin/busybox", "cat", "/drawn"]
        """
    wanted = await own_architecture(engine, request(project, dockerfile, name))
    drawn: dict[str, list[str]] = {"one": [], "two": []}

    async def build_and_run(target: str) -> None:
        built = await engine.build(
            replace(wanted, target=target, tags=[f"{name}:{target}"]), nowhere
        )
        assert await engine.run(built.id, drawn[target].append) == 0

    async with task_group() as images:
        for target in drawn:
            images.start_soon(build_and_run, target)
    assert drawn["one"] == drawn["two"] != []


async def test_cancelling_a_build_stops_it_at_the_engine(
    engine: DockerEngine, project: Path, name: str
) -> None:
    """When the caller of a build is cancelled, the step it was at stops running."""
    seconds = f"{secrets.randbelow(9000) + 600}.125"
    wanted = await own_architecture(
        engine,
        request(project, f"FROM base\nRUN echo running; exec busybox sleep {seconds}\n", name),
    )
    running = Event()

    def on_output(line: str) -> None:
        if line.endswith(" running"):
            running.set()

    async with create_task_group() as building:
        building.start_soon(engine.build, wanted, on_output)
        with fail_after(20):
            await running.wait()
        await until(lambda: is_running(seconds))
        building.cancel_scope.cancel()
    await until(lambda: not is_running(seconds))
    assert await engine.inspect(f"{name}:built") is None


def is_running(argument: str) -> bool:
    """Whether a process of this machine was given `argument` as one of its own."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if argument.encode() in path.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue  # it has ended meanwhile
    return False


async def test_run_gives_every_line_and_the_exit_status(
    engine: DockerEngine, project: Path, name: str
) -> None:
    """A run hands on stdout and stderr line by line, the last one unfinished, and its status."""
    script = "echo one; echo zwölf >&2; busybox printf unfinished; exit 4"
    wanted = request(project, f'FROM base\nCMD ["/bin/sh", "-c", "{script}"]\n', name)
    built = await engine.build(await own_architecture(engine, wanted), nowhere)
    lines: list[str] = []
    assert await engine.run(built.id, lines.append) == 4
    assert sorted(lines) == ["one", "unfinished", "zwölf"]
    assert not await containers_of(engine, built.id)


async def test_a_cancelled_run_leaves_no_container(
    engine: DockerEngine, project: Path, name: str
) -> None:
    """Cancelling a run stops its container and removes it."""
    wanted = request(
        project, 'FROM base\nCMD ["/bin/sh", "-c", "echo up; busybox sleep 999"]\n', name
    )
    built = await engine.build(await own_architecture(engine, wanted), nowhere)
    up = Event()
    async with create_task_group() as running:
        running.start_soon(engine.run, built.id, lambda _line: up.set())
        with fail_after(20):
            await up.wait()
        assert await containers_of(engine, built.id)
        running.cancel_scope.cancel()
    assert not await containers_of(engine, built.id)


async def test_running_what_is_not_there_is_an_error(engine: DockerEngine) -> None:
    """An image or a program that does not exist is a typed error with the engine's words."""
    with pytest.raises(DockerError, match="No such image"):
        await engine.run("hover-test-absent:none", nowhere)


async def test_copy_out_gives_the_content_of_a_directory(
    engine: DockerEngine, project: Path, name: str, tmp_path: Path
) -> None:
    """Files arrive with their bytes, a link to a file as that file, and no container is left."""
    public = project / "public"
    (public / "build").mkdir(parents=True)
    (public / "build/app.css").write_bytes(b"\0\xff" * 400_000)
    (public / "empty").mkdir()
    (public / "app.css").symlink_to("build/app.css")
    (public / "name with ü.txt").write_text("text")
    wanted = request(project, "FROM scratch\nCOPY public /var/task/public\n", name)
    built = await engine.build(await own_architecture(engine, wanted), nowhere)
    out = tmp_path / "out"
    await engine.copy_out(built.id, "/var/task/public", out)
    found = {str(path.relative_to(out)) for path in out.rglob("*")}
    assert found == {"build", "build/app.css", "empty", "app.css", "name with ü.txt"}
    assert (out / "app.css").read_bytes() == (public / "build/app.css").read_bytes()
    assert not (out / "app.css").is_symlink()
    assert not await containers_of(engine, built.id)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc/passwd", "../outside"])
async def test_copy_out_refuses_links_that_lead_outside(
    engine: DockerEngine, project: Path, name: str, tmp_path: Path, target: str
) -> None:
    """A link out of the directory is refused by name: what it leads to is nobody's asset."""
    (project / "public").mkdir()
    (project / "public/link").symlink_to(target)
    wanted = request(project, "FROM base\nCOPY public /var/task/public\n", name)
    built = await engine.build(await own_architecture(engine, wanted), nowhere)
    with pytest.raises(ImageUnsafe, match="link"):
        await engine.copy_out(built.id, "/var/task/public", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    assert not await containers_of(engine, built.id)


async def test_copy_out_of_a_missing_directory_is_an_error(
    engine: DockerEngine, project: Path, name: str, tmp_path: Path
) -> None:
    """A directory that the image does not have is a typed error that names it."""
    wanted = request(project, "FROM base\n", name)
    built = await engine.build(await own_architecture(engine, wanted), nowhere)
    with pytest.raises(DockerError, match="/var/task/public"):
        await engine.copy_out(built.id, "/var/task/public", tmp_path / "out")


async def test_files_shows_what_a_later_layer_hides(
    engine: DockerEngine, project: Path, name: str
) -> None:
    """A file that a later step deletes is still among its layer's files, layers in their order."""
    (project / "secret.txt").write_text("x")
    wanted = request(project, "FROM base\nCOPY secret.txt /\nRUN busybox rm /secret.txt\n", name)
    built = await engine.build(await own_architecture(engine, wanted), nowhere)
    layers = list((await engine.files(built.id)).values())
    assert layers[:3] == [["bin/busybox"], ["bin/sh"], ["secret.txt"]]
    assert layers[3] == [".wh.secret.txt"]
