"""Which row a result is of: ids, names across jobs and addresses are taken apart as they are made."""

from __future__ import annotations

import dataclasses

import pytest

from starwhale.domain import row_id
from starwhale.domain.job import DatasetInput


def pinned(name: str = "numbers", *, project: str = "self", suffix: str = "", given: str = "") -> DatasetInput:
    version = "abcdefghijkl" + "m" * 28
    return DatasetInput(
        uri=f"local/project/{project}/dataset/{name}/version/{version}",
        given=given or name,
        dataset_id="1",
        project=project,
        name=name,
        version=version,
        manifest_digest="d",
        row_count=10,
        id_suffix=suffix,
    )


@pytest.mark.parametrize("key", [3, -1, "a/b:c", "", "odd_#@#_key"])
@pytest.mark.parametrize("step", ["", "second"])
@pytest.mark.parametrize("suffix", ["", "@abcdefghijkl"])
def test_the_key_comes_back_out_of_each_form(key: int | str, step: str, suffix: str) -> None:
    dataset = pinned(suffix=suffix)
    made = row_id.make_row_id(dataset, key, step)
    head, tail = row_id.id_ends(dataset, step)
    assert made == f"{head}{key}{tail}"
    assert row_id.find_key(made, dataset, step) == str(key)
    assert row_id.key_at(row_id.row_address(dataset, key), dataset) == str(key)
    assert row_id.key_in(row_id.row_address(dataset, key)) == str(key)
    assert row_id.address_of(made, key) == row_id.row_address(dataset, key)
    shared = row_id.across_jobs(row_id.make_row_id(dataset, key), [dataset])
    assert shared == row_id.called_across_jobs(dataset, key)
    assert row_id.ids_in_job(shared, [dataset]) == [row_id.make_row_id(dataset, key), shared]


def test_ids_are_what_users_have_seen_so_far() -> None:
    assert row_id.make_row_id(pinned(), 3) == "self/numbers_#@#_3"
    assert (
        row_id.make_row_id(pinned(suffix="@abcdefghijkl"), "k", "second")
        == "self/numbers@abcdefghijkl_#@#_k_#@#_second"
    )
    assert row_id.row_label(pinned(), [3]) == "numbers: 3"
    assert row_id.row_label(pinned(), [3, 4, 5]) == "numbers: 3 to 5"
    assert row_id.address_of("self/numbers_#@#_3") == "numbers:3"
    assert row_id.head_of("self/numbers_#@#_3") == "self/numbers"


def test_what_is_of_another_dataset_or_was_logged_stays_as_it_is() -> None:
    here, other = pinned(), pinned("words")
    made = row_id.make_row_id(other, 3)
    assert row_id.find_key(made, here) is None
    assert row_id.key_at(row_id.row_address(other, 3), here) is None
    assert not row_id.is_row_of(made, [here])
    assert row_id.is_row_of(made, [here, other])
    assert [row_id.across_jobs(each, [here]) for each in (made, 3, "mine")] == [made, 3, "mine"]
    assert [row_id.is_row_id(each) for each in (made, "mine", 3)] == [True, False, False]


def test_people_may_type_the_name_in_any_case_as_given_or_with_its_version() -> None:
    dataset = pinned(given="other/numbers")
    for typed in ("NUMBERS:7", "numbers@abcdefghijkl:7", "other/numbers:7"):
        assert row_id.typed_key(typed, dataset) == "7"
    assert row_id.typed_key("words:7", dataset) == ""


def test_rows_of_two_versions_are_called_by_their_version_where_a_job_reads_both() -> None:
    old, new = (dataclasses.replace(pinned(suffix=f"@{each * 12}"), version=each * 40) for each in "ab")
    alone = dataclasses.replace(pinned(), version="b" * 40)
    assert row_id.told_apart([[alone], [pinned("words")]]) == frozenset()
    apart = row_id.told_apart([[old, new], [alone]])
    assert apart == {"numbers"}
    ids = [row_id.make_row_id(each, 3) for each in (old, new)]
    shared = [row_id.across_jobs(each, [old, new], apart) for each in ids]
    assert shared == ["numbers@aaaaaaaaaaaa_#@#_3", "numbers@bbbbbbbbbbbb_#@#_3"]
    assert row_id.across_jobs(row_id.make_row_id(alone, 3), [alone], apart) == shared[1]
    assert [row_id.ids_in_job(each, [old, new])[:-1] for each in shared] == [[each] for each in ids]
    assert row_id.ids_in_job(shared[1], [alone]) == [row_id.make_row_id(alone, 3), shared[1]]
