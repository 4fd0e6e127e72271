"""What CI uses: the plug-in of pytest, and the action of GitHub, whose shell steps are run as its runner would."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

HOUSE = Path(__file__).resolve().parent.parent.parent
ACTION = HOUSE / ".github" / "actions" / "gate" / "action.yml"
PLUGIN = "starwhale.testing.gate_plugin"


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """A folder with two files of predictions, `new` better than `old`."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name, wrong in (("old", 20), ("new", 4)):
        rows = [f"{k},{int(k % 100 >= wrong)},{k // 2}" for k in range(200)]
        (folder / f"{name}.csv").write_text("\n".join(["id,right,page", *rows]) + "\n")
    return folder


# ---------------------------------------------------------------------------------------------------------------- pytest

TESTS = """
import sys

HEAVY = [name for name in ("numpy", "pyarrow", "sqlalchemy", "yaml", "starwhale.instances") if name in sys.modules]


def test_nothing_is_imported_before_it_is_used():
    assert HEAVY == []


def test_good(starwhale_gate):
    found = starwhale_gate("new.csv", baseline="old.csv", rule=["right > baseline", "right >= 0.9"])
    assert found.is_passed
    assert len(found.findings) == 2


def test_bad(starwhale_gate):
    starwhale_gate("old.csv", baseline="new.csv", rule="right >= baseline - 1 point")


def test_open(starwhale_gate):
    starwhale_gate("old.csv", rule="right >= 0.8")


def test_skipped(starwhale_gate):
    starwhale_gate("old.csv", rule="right >= 0.8", inconclusive="skip")


def test_let_pass(starwhale_gate):
    assert starwhale_gate("old.csv", rule="right >= 0.8", inconclusive="pass").exit_code == 3


def test_mistaken(starwhale_gate):
    starwhale_gate("old.csv", rule="right >= basline")
"""


@pytest.mark.needs_time
def test_a_gate_is_a_test_of_pytest(predictions: Path, instance_root: dict[str, str]) -> None:
    (predictions / "test_gate.py").write_text(TESTS)
    is_installed = any(each.value == PLUGIN for each in importlib.metadata.entry_points(group="pytest11"))
    words = [] if is_installed else ["-p", PLUGIN]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--junit-xml=out.xml", *words],
        cwd=predictions,
        env=instance_root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "3 failed, 3 passed, 1 skipped" in done.stdout, done.stdout
    assert "old fails the gate: right >= baseline - 1 point is broken: −16.0 points" in done.stdout
    assert "lost: 4, 5, 6" in done.stdout
    assert "cannot tell whether old passes the gate" in done.stdout
    assert "did you mean 'baseline'?" in done.stdout
    assert "Judge a run" not in done.stdout  # no source of ours in what fails
    assert (
        'name="starwhale_gate" value="new passes the gate: all 2 rules hold"' in (predictions / "out.xml").read_text()
    )


def test_the_plug_in_is_named_to_pytest() -> None:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"starwhale": PLUGIN}


# ---------------------------------------------------------------------------------------------------------------- action


def action() -> dict[str, Any]:
    return yaml.safe_load(ACTION.read_text(encoding="utf-8"))


def test_the_action_has_the_keys_of_a_composite_action_and_names_only_what_there_is() -> None:
    """The public schema allows these and no others; `check-jsonschema --builtin-schema vendor.github-actions` agrees."""
    found = action()
    assert set(found) <= {"name", "author", "description", "inputs", "outputs", "runs", "branding"}
    assert {"name", "description", "runs"} <= set(found)
    for each in found["inputs"].values():
        assert set(each) <= {"description", "required", "default", "deprecationMessage"}
        assert isinstance(each["description"], str)
        assert isinstance(each["required"], bool)
        assert isinstance(each.get("default", ""), str)
        assert each["required"] is ("default" not in each)
    assert all(set(each) == {"description", "value"} for each in found["outputs"].values())
    runs = found["runs"]
    assert (set(runs), runs["using"]) == ({"using", "steps"}, "composite")
    for step in runs["steps"]:
        assert ("run" in step) != ("uses" in step)
        assert ("shell" in step) == ("run" in step)
        common = {"name", "id", "if", "env", "continue-on-error"}
        assert set(step) <= common | ({"run", "shell", "working-directory"} if "run" in step else {"uses", "with"})
        assert "${{" not in step.get("run", ""), "inputs come in through the environment"
    text = ACTION.read_text(encoding="utf-8")
    names = re.findall(r"\$\{\{[^}]*?inputs\.([\w-]+)", text)
    assert set(names) == set(found["inputs"])
    ids = {step["id"]: step for step in runs["steps"] if "id" in step}
    for step, output in re.findall(r"steps\.(\w+)\.outputs\.(\w+)", text):
        assert f'echo "{output}=' in ids[step]["run"]


def test_the_workflow_of_the_page_gives_the_action_what_it_takes() -> None:
    page = (HOUSE / "docs" / "how-to" / "put-a-gate-into-ci.md").read_text(encoding="utf-8")
    blocks = [
        each for each in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) if "actions/gate" in each
    ]
    (job,) = yaml.safe_load(blocks[0])["jobs"].values()
    (step,) = [each for each in job["steps"] if "actions/gate" in each.get("uses", "")]
    assert step["uses"].split("@")[0].endswith(ACTION.parent.relative_to(HOUSE).as_posix())
    assert set(step["with"]) <= set(action()["inputs"])
    assert "run" in step["with"]


@dataclass
class Runner:
    """Runs the shell steps of a composite action as the runner of GitHub does; steps that use other actions are noted."""

    folder: Path
    env: dict[str, str]
    summary: str = ""
    used: list[str] = field(default_factory=list[str])
    outputs: dict[str, str] = field(default_factory=dict[str, str])

    def __call__(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        found = action()
        given = {name: each.get("default", "") for name, each in found["inputs"].items()}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        done = subprocess.CompletedProcess[str]([], 0)
        said = ""
        for step in found["runs"]["steps"]:
            if "uses" in step:
                self.used.append(step["uses"])
                continue
            done = self._run(step, given)
            said += done.stdout
            if done.returncode:
                break
        done.stdout = said
        return done

    def _run(self, step: dict[str, Any], inputs: dict[str, str]) -> subprocess.CompletedProcess[str]:
        def value(found: re.Match[str]) -> str:
            name = found[1].strip()
            if name == "runner.temp":
                return str(self.folder / "temp")
            return inputs[name[7:]] if name.startswith("inputs.") else self.outputs[name.rpartition(".")[2]]

        files = {name: self.folder / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for each in files.values():
            each.touch()
        (self.folder / "temp").mkdir(exist_ok=True)
        script = self.folder / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        env = {name: re.sub(r"\$\{\{(.*?)\}\}", value, text) for name, text in step.get("env", {}).items()}
        folder = re.sub(r"\$\{\{(.*?)\}\}", value, step.get("working-directory", "."))
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            cwd=self.folder / folder,
            env={
                **self.env,
                **{name: str(path) for name, path in files.items()},
                "RUNNER_TEMP": str(self.folder / "temp"),
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        self.outputs |= dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        self.summary = files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
        return done


@pytest.fixture
def runner(predictions: Path, instance_root: dict[str, str]) -> Runner:
    path = f"{Path(sys.executable).parent}{os.pathsep}{instance_root['PATH']}"
    return Runner(folder=predictions, env={**instance_root, "PATH": path})


def test_the_action_passes_a_good_run_and_leaves_its_reports(runner: Runner) -> None:
    rules = "right >= baseline - 1 point\n\nright >= 90%\n"
    done = runner(run="new.csv", baseline="old.csv", rules=rules)
    assert done.returncode == 0, done.stdout
    assert runner.outputs["verdict"] == "pass"
    assert runner.summary.startswith("**✅ new passes the gate: all 2 rules hold**")
    assert runner.used == ["actions/upload-artifact@v4"]
    folder = runner.folder / "temp" / "starwhale-gate"
    assert {each.name for each in folder.iterdir()} == {"gate.xml", "gate.md"}
    assert runner.outputs["junit"] == str(folder / "gate.xml")


@pytest.mark.needs_time
def test_the_action_fails_warns_and_tells_mistakes(runner: Runner) -> None:
    (runner.folder / "gate.yaml").write_text("baseline: new.csv\nrules: [right >= baseline]\n")
    done = runner(run="old.csv")
    assert (done.returncode, runner.outputs["verdict"]) == (1, "fail"), done.stdout
    assert "::error title=Gate::a rule is broken" in done.stdout
    assert "old fails the gate" in runner.summary
    done = runner(run="old.csv", rules="right >= 0.8")
    assert (done.returncode, runner.outputs["verdict"]) == (3, "inconclusive"), done.stdout
    done = runner(run="old.csv", rules="right >= 0.8", inconclusive="warn")
    assert (done.returncode, "::warning title=Gate::" in done.stdout) == (0, True), done.stdout
    assert runner(run="old.csv", rules="right >= 0.8", inconclusive="pass").returncode == 0
    done = runner(run="nothing.csv", rules="right >= 0.8")
    assert (done.returncode, runner.outputs["verdict"]) == (1, "error"), done.stdout
    done = runner(run="old.csv", rules="right >= much")
    assert (done.returncode, runner.outputs["verdict"]) == (2, "error"), done.stdout
    options = {"cluster": "page", "key": "id", "allow_missing": "true", "lower_is_better": "right"}
    done = runner(
        run="old.csv", rules="right not worse than baseline by more than 1 point", baseline="new.csv", **options
    )
    assert (done.returncode, runner.outputs["verdict"]) == (0, "pass"), done.stdout


def test_what_an_input_says_is_never_run(runner: Runner) -> None:
    done = runner(run="$(touch ran).csv", rules="`touch ran`; right >= 0.8 && touch ran")
    assert done.returncode != 0
    assert not (runner.folder / "ran").exists()
