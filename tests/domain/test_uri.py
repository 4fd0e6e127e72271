from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starwhale.domain.uri import KINDS, Uri, parse_project_uri, parse_uri
from starwhale.errors import InvalidUriError, NotFoundError


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("mnist", "dataset", Uri(kind="dataset", name="mnist")),
        ("mnist/v1", "dataset", Uri(kind="dataset", name="mnist", version="v1")),
        ("mnist/version/abcd", "dataset", Uri(kind="dataset", name="mnist", version="abcd")),
        ("version/abcd", "dataset", Uri(kind="dataset", version="abcd")),
        ("dataset/mnist", None, Uri(kind="dataset", name="mnist")),
        ("dataset/mnist/version/v3", None, Uri(kind="dataset", name="mnist", version="v3")),
        ("local/project/demo/dataset/mnist", None, Uri(project="demo", kind="dataset", name="mnist")),
        ("local/project/demo/mnist", "dataset", Uri(project="demo", kind="dataset", name="mnist")),
        ("local/project/demo/mnist/version/v1", "model", Uri(project="demo", kind="model", name="mnist", version="v1")),
        ("cloud://local/project/demo/model/m", None, Uri(project="demo", kind="model", name="m")),
        ("dataset/version/abcd", "model", Uri(kind="model", name="dataset", version="abcd")),
        ("latest~2", "job", Uri(kind="job", name="latest~2")),
        ("evaluation/abcd", None, Uri(kind="job", name="abcd")),
        ("local/project/demo/job/abcd", "evaluation", Uri(project="demo", kind="job", name="abcd")),
    ],
)
def test_every_documented_form_is_read(text: str, kind: str | None, expected: Uri) -> None:
    assert parse_uri(text, kind=kind) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "dataset"),
        ("a//b", "dataset"),
        ("/a", "dataset"),
        ("a/", "dataset"),
        ("mnist", None),
        ("mnist/v1", None),
        ("myproj/dataset/x", "dataset"),
        ("myproj/dataset/x", None),
        ("model/mnist", "dataset"),
        ("local/project/p/model/m/version/v1", "dataset"),
        ("a/b/c/d", "dataset"),
        ("name/version", "dataset"),
        ("job/abcd/version/v1", None),
        ("white space", "dataset"),
    ],
)
def test_other_forms_are_refused(text: str, kind: str | None) -> None:
    with pytest.raises(InvalidUriError):
        parse_uri(text, kind=kind)


def test_mismatch_of_kind_names_both() -> None:
    with pytest.raises(InvalidUriError, match="names a model, not a dataset"):
        parse_uri("model/mnist", kind="dataset")


@pytest.mark.parametrize("text", ["clod/project/p/dataset/d", "cloud://clod/project/p/dataset/d"])
def test_unknown_instance_is_named_with_the_nearest(text: str) -> None:
    with pytest.raises(NotFoundError, match=r"no instance 'clod'.*'cloud'"):
        parse_uri(text, instances=("local", "cloud"))


def test_unknown_address_is_named() -> None:
    with pytest.raises(NotFoundError, match="no instance 'http://host:80'"):
        parse_uri("http://host:80/projects/1/models/2", kind="model")


def test_default_project_fills_in_only_where_none_is_named() -> None:
    assert parse_uri("d", kind="dataset", default_project="mine").project == "mine"
    assert parse_uri("local/project/other/d", kind="dataset", default_project="mine").project == "other"


def test_full_names_everything() -> None:
    assert Uri(kind="dataset", name="d").full == "local/project/self/dataset/d/version/latest"
    assert str(Uri(kind="job", project="p", name="abcd")) == "local/project/p/job/abcd"


_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_.-]{0,20}", fullmatch=True)


@given(project=_names, kind=st.sampled_from(KINDS[:3]), name=_names, version=_names)
def test_full_is_read_back(project: str, kind: str, name: str, version: str) -> None:
    uri = Uri(project=project, kind=kind, name=name, version=version)
    assert parse_uri(uri.full) == uri
    assert parse_uri(uri.full, kind=kind) == uri


def test_project_uris() -> None:
    assert parse_project_uri("demo") == Uri(project="demo", kind="project")
    assert parse_project_uri("local/project/demo").full == "local/project/demo"
    with pytest.raises(InvalidUriError, match="an address on an object store, which has no place here"):
        parse_project_uri("s3://bucket/sets")
    with pytest.raises(InvalidUriError, match="more than a project"):
        parse_project_uri("local/project/demo/x")
    with pytest.raises(InvalidUriError):
        parse_project_uri("local/demo")
    with pytest.raises(NotFoundError):
        parse_project_uri("other/project/demo")
