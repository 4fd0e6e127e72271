from __future__ import annotations

from pathlib import Path

import pytest

from starwhale.domain.runtime import DependencyKind, Indexes, NativeFile
from starwhale.errors import UsageError
from starwhale.runtimes.runtime_yaml import parse_runtime_yaml, read_runtime_yaml

WHOLE = """\
name: Digits
mode: venv
api_version: '1.1'
environment:
  arch: [amd64, arm64]
  os: ubuntu:20.04
  python: '3.12'
  cuda: '11.7'
  cudnn: '8'
  docker: {image: 'example/image:1'}
  starwhale_version: '0.6.15'
dependencies:
  - requirements.txt
  - pip: [numpy, 'six>=1']
  - wheels: [dist/a-1-py3-none-any.whl]
  - files:
      - {src: scripts/a.sh, dest: bin/a.sh, name: a}
  - commands: [echo hello]
configs:
  pip:
    index_url: https://user:secret@index.example/simple
    extra_index_url: [https://other.example/simple]
    trusted_host: other.example
"""


def test_every_field_is_read() -> None:
    said = parse_runtime_yaml(WHOLE, "runtime.yaml")
    spec = said.spec
    assert (spec.name, spec.python, spec.arch, spec.cuda, spec.cudnn) == (
        "Digits",
        "3.12",
        ("amd64", "arm64"),
        "11.7",
        "8",
    )
    assert (spec.image, spec.starwhale_version, spec.os) == ("example/image:1", "0.6.15", "ubuntu:20.04")
    assert [str(each.kind) for each in spec.dependencies] == [
        "pip_req_file",
        "pip_pkg",
        "wheel",
        "native_file",
        "command",
    ]
    assert spec.of_kind(DependencyKind.PIP_PKG) == ("numpy", "six>=1")
    assert spec.native_files == (NativeFile(src="scripts/a.sh", dest="bin/a.sh", name="a"),)
    assert spec.indexes == Indexes(
        index_url="https://user:secret@index.example/simple",
        extra_index_urls=("https://other.example/simple",),
        trusted_hosts=("other.example",),
    )


def test_credentials_are_not_kept() -> None:
    said = parse_runtime_yaml(WHOLE, "runtime.yaml")
    assert "secret" not in said.text
    assert "https://index.example/simple" in said.text
    assert said.warnings == ["runtime.yaml: credentials in addresses are not kept; the installer has to know them"]


def test_secrets_are_neither_kept_of_images_nor_of_parameters_and_variables_are_none() -> None:
    said = parse_runtime_yaml(
        "environment: {docker: {image: 'https://me:canary@host/x'}}\n"
        "configs: {pip: {index_url: 'https://host/simple?token=canary'}}\n"
        "dependencies: [{commands: ['curl -H \"Authorization: Bearer $TOKEN\" https://host/?token=${TOKEN}']}]\n",
        "runtime.yaml",
    )
    assert said.spec.image == "https://host/x"
    assert said.spec.of_kind(DependencyKind.COMMAND) == (
        'curl -H "Authorization: Bearer $TOKEN" https://host/?token=${TOKEN}',
    )
    assert "canary" not in said.text


def test_aliases_of_aliases_are_read_at_once() -> None:
    lists = [f"a{each}: &a{each} [{', '.join([f'*a{each - 1}'] * 9)}]" for each in range(1, 10)]
    with pytest.raises(UsageError, match="name is"):
        parse_runtime_yaml("\n".join(["a0: &a0 [x]", *lists, "name: *a9"]), "runtime.yaml")


def test_legacy_keys_are_honoured() -> None:
    spec = parse_runtime_yaml("python_version: '3.11'\npip_req: requirements.txt\n", "runtime.yaml").spec
    assert (spec.python, spec.of_kind(DependencyKind.PIP_REQ_FILE)) == ("3.11", ("requirements.txt",))


def test_newer_values_and_unknown_keys_warn_with_their_line() -> None:
    said = parse_runtime_yaml("name: a\nenvironment:\n  cuda: '12.6'\n  pyhton: '3.12'\nconfig: {}\n", "r.yaml")
    assert said.spec.cuda == "12.6"
    assert said.warnings == [
        "r.yaml:5: 'config' is no key of a runtime.yaml and is left out; did you mean 'configs'?",
        "r.yaml:4: environment.pyhton is no key of a runtime.yaml and is left out; did you mean 'python'?",
        "r.yaml:3: environment.cuda is '12.6', which 0.6 did not know; it is kept as it is",
    ]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("name: a\nmode: conda\n", "r.yaml:2: mode is conda", "list the packages under pip"),
        ("mode: docker\n", "r.yaml:1: mode is 'docker'", "mode: venv"),
        ("name: [a\nmode: venv\n", "r.yaml:2: ", "mend that line"),
        ("- a\n", "r.yaml:1: the file is ['a']", "key: value"),
        ("api_version: '2'\n", "r.yaml:1: api_version is 2", "1.1"),
        ("name: a\ndependencies:\n  - pip: [a]\n  - conda: [b]\n", "r.yaml:4: a dependency of conda", "under pip"),
        ("dependencies:\n  - env.yaml\n", "r.yaml:2: 'env.yaml' is a file of conda", "under pip"),
        ("dependencies:\n  - notes.md\n", "r.yaml:2: 'notes.md' is no dependency", "*.txt"),
        ("dependencies:\n  - pipp: [a]\n", "r.yaml:2: 'pipp' is no kind of dependency", "did you mean 'pip'?"),
        ("dependencies:\n  - 3\n", "r.yaml:2: 3 is no dependency", "wheels"),
        ("dependencies: numpy\n", "r.yaml:1: dependencies is 'numpy'", "- pip: [numpy]"),
        ("dependencies:\n  - pip:\n    - a\n    - {b: c}\n", "r.yaml:4: ", "write a text"),
        ("dependencies:\n  - files: [{src: a, dest: ../b}]\n", "r.yaml:2: dest '../b' lies outside", "without .."),
        ("dependencies:\n  - files: [{src: a}]\n", "r.yaml:2: an entry of files needs src and dest", "etc/a.txt"),
        ("dependencies:\n  - commands: [a, curl https://u:pw@host]\n", "r.yaml:2: a command with a secret", "$NAME"),
        ("dependencies:\n  - commands: [HF_TOKEN=abcdef1234 get]\n", "r.yaml:2: a command with a secret", "$NAME"),
        ("name: &a [*a]\n", "r.yaml:1: name is [[[...]]]", "write a text"),
        ("environment:\n  python: three\n", "r.yaml:2: environment.python is 'three'", "in quotes"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_runtime_yaml(text, "r.yaml")
    assert error.value.message.startswith(message)
    assert hint in error.value.hint


def test_a_missing_file_names_the_other_ways(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"there is no .*runtime\.yaml; write one, or name another source: .* \(see --help\)"
    ):
        read_runtime_yaml(tmp_path / "runtime.yaml")
