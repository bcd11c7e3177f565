"""The direct lane by the real program: from the stack, without it, and back to it."""

from __future__ import annotations

from tests.e2e.conftest import fetch
from tests.e2e.stage import Stage


def template_image(stage: Stage) -> str:
    """The image that the deployed template names."""
    found = stage.client("cloudformation").get_template(StackName=stage.name)["TemplateBody"]
    return str(found["Resources"]["HttpFunction"]["Properties"]["Code"]["ImageUri"])


def latest_image(stage: Stage) -> str:
    found = stage.client("lambda").get_function(FunctionName=f"{stage.name}-http")
    return str(found["Code"]["ImageUri"])


def test_an_image_goes_live_without_the_stack_and_the_stack_catches_up(stage: Stage) -> None:
    """By the stack, then directly: visitors get the new build, the template keeps the old image.
    Then by the stack the same build: the template has it, too, and nothing is published again."""
    stage.build("--skip-tests")
    url = stage.deploy().result["url"]
    first = template_image(stage)

    new = stage.build("--skip-tests")
    picture = stage.project / "direct.svg"
    direct = stage.deploy("--direct", "--timeline", str(picture)).result
    drawn = picture.read_text()
    assert drawn.startswith("<svg")
    assert f"{new} to stage 'dev' in the direct lane" in drawn
    assert "live after" in drawn
    assert (direct["lane"], direct["build_id"]) == ("direct", new)
    assert set(stage.live().values()) == {"2"}
    assert new in fetch(url).text
    assert template_image(stage) == first != direct["image"] == latest_image(stage)
    assert "stack" not in {step["step"] for step in direct["steps"]}

    stack = stage.deploy("--stack").result
    assert stack["lane"] == "stack"
    assert template_image(stage) == direct["image"] == latest_image(stage)
    assert new in fetch(url).text
    assert set(stack["versions"].values()) == set(stage.live().values())


def test_what_a_direct_deploy_left_is_put_right_by_the_stack(stage: Stage) -> None:
    """A failing command cancels a direct deploy; then the build that is live, deployed again by
    its stack, which has nothing to do, is whole: `$LATEST` has its image."""
    old = stage.build("--skip-tests")
    url = stage.deploy().result["url"]
    first = template_image(stage)
    out, kept = stage.project / ".hover" / "out", stage.project / "kept"
    out.rename(kept)
    stage.manifest("- example:prepare", "- example:fail 3")
    stage.build("--skip-tests")
    run = stage.deploy("--direct", "--timeline", str(kept / "failed.html"))
    assert run.exit_code == 1
    assert "failed in 'commands'" in (kept / "failed.html").read_text()
    assert [failure["code"] for failure in run.of("Failed")] == ["command-failed"]
    assert set(stage.live().values()) == {"1"}
    assert old in fetch(url).text
    assert latest_image(stage) != first

    out.rename(stage.project / "failed")
    kept.rename(out)
    stage.deploy("--stack")
    assert template_image(stage) == latest_image(stage) == first
    assert old in fetch(url).text


def test_more_than_the_image_is_refused(stage: Stage) -> None:
    """Also where the manifest asks for the direct lane: another memory is the stack's to change,
    and so is everything of a first deploy; the message says so, and --stack does it."""
    stage.edit(".hover/dev.yml", lambda text: text + "\ndeploy: {code: direct}\n")
    stage.build("--skip-tests")
    refused = stage.program.run("deploy", "--local")
    assert refused.returncode == 1
    assert "error[direct-refused]" in refused.stderr
    assert "the first deploy makes it" in refused.stderr
    assert "hint: deploy with --stack" in refused.stderr
    stage.deploy("--stack")
    stage.manifest(r"^(http:\n  memory:) 1024", r"\1 2048")
    stage.build("--skip-tests")
    planned = stage.program.run("plan", "--local")
    assert planned.returncode == 2
    assert "the direct lane refuses this" in planned.stdout
    refused = stage.program.run("deploy", "--local")
    assert refused.returncode == 1
    assert f"function '{stage.name}-http': MemorySize 1024 -> 2048" in refused.stderr
    assert set(stage.live().values()) == {"1"}
    assert set(stage.deploy("--stack").result["versions"].values()) == {"2"}
