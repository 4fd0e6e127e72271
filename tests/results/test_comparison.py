"""Several runs compared: pairing, corrections, repeats, missing scores, ranks, and what is said first."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from starwhale.errors import NotFoundError, UsageError
from starwhale.results.compare.comparison import compare_runs
from starwhale.results.compare.files import read_run_file
from starwhale.results.compare.findings import Question
from starwhale.results.compare.job_runs import split_metric
from starwhale.results.compare.ranks import rank_intervals, resample_means
from starwhale.results.compare.runs import Run, as_scores, pair
from starwhale.results.compare.telling import comparison_to_json, notes, sentence


def run(name: str, scores: list[float], ids: list[int] | None = None, **columns: list[object]) -> Run:
    return Run(
        id=name, name=name, ids=list(range(len(scores))) if ids is None else ids, metrics={"m": scores}, columns=columns
    )


ASK = Question(metrics=("m",))


def test_the_first_line_answers_the_question() -> None:
    """GSM8K: 6B with verification against 175B fine-tuned."""
    base = [1.0] * 306 + [0.0] * 209 + [1.0] * 152 + [0.0] * 652
    ours = [1.0] * 306 + [1.0] * 209 + [0.0] * 152 + [0.0] * 652
    found = compare_runs(run("ft_175b", base), [run("verif_6b", ours)], ASK)
    assert sentence(found) == "verif_6b is better than ft_175b by 4.3 points [1.5, 7.1]; 209 gained, 152 lost"
    worse = compare_runs(run("verif_6b", ours), [run("ft_175b", base)], ASK)
    assert sentence(worse) == "ft_175b is worse than verif_6b by 4.3 points [1.5, 7.1]; 152 gained, 209 lost"
    lower = compare_runs(run("a", base), [run("b", ours)], Question(metrics=("m",), lower_is_better=frozenset({"m"})))
    assert sentence(lower) == "b is worse than a by 4.3 points [1.5, 7.1]; 152 gained, 209 lost"


def test_rows_are_paired_by_id_in_any_order() -> None:
    found = pair([run("a", [1, 2, 3], [5, 6, 7]), run("b", [30, 10, 90], [7, 5, 9])], ["m"])
    assert list(found.ids) == [5, 7]
    assert found.scores["m"].tolist() == [[1, 3], [10, 30]]
    assert found.left_out == {"a": 1, "b": 1}


def test_repeats_of_a_row_are_averaged_first_and_never_counted() -> None:
    """Four samples per question are no four questions."""
    rng = np.random.default_rng(5)
    ids = [each for each in range(30) for _ in range(4)]
    a, b = ((rng.random(120) < share).astype(float).tolist() for share in (0.5, 0.7))
    found = compare_runs(run("a", a, ids), [run("b", b, ids)], ASK)
    assert found.main.n == 30
    assert found.paired.repeats == 4
    assert found.main.values["a"].value == pytest.approx(float(np.mean(a)))
    assert "up to 4 scores of one row were averaged" in notes(found)


def test_missing_scores_are_counted_and_bounded() -> None:
    base, ours = [0.0] * 50 + [1.0] * 50, [1.0] * 98 + [math.nan] * 2
    found = compare_runs(run("a", base), [run("b", ours)], ASK)
    assert (found.main.n, found.main.missing) == (98, 2)
    assert found.main.deltas["b"].bounds == pytest.approx((0.48, 0.5))
    assert any("2 rows have no score of m" in each for each in notes(found))


def test_corrected_intervals_agree_with_corrected_ps() -> None:
    rng = np.random.default_rng(11)
    for _ in range(20):
        base = rng.normal(size=80)
        others = [run(f"r{k}", (base + rng.normal(0.2, 1, 80)).tolist()) for k in range(4)]
        found = compare_runs(run("base", base.tolist()), others, ASK)
        for delta in found.main.deltas.values():
            assert delta.p_corrected >= delta.difference.p
            assert (delta.low > 0 or delta.high < 0) == (delta.p_corrected < 0.05)


def test_slices_with_few_rows_are_told_and_not_judged() -> None:
    kinds: list[object] = [*["often"] * 40, *["rare"] * 3]
    base, ours = run("a", [0.0] * 43, kind=kinds), run("b", [1.0] * 43, kind=kinds)
    found = compare_runs(base, [ours], Question(metrics=("m",), by=("kind",)))
    often, rare = found.metrics[1:]
    assert (often.slice, often.n, often.deltas["b"].verdict.text) == ("kind=often", 40, "better")
    assert (rare.slice, rare.n, rare.deltas) == ("kind=rare", 3, {})


def test_rank_intervals_hold_the_places_that_noise_allows() -> None:
    rng = np.random.default_rng(2)
    hard = rng.random(300)
    scores = np.stack([hard < 0.9, (hard + rng.normal(0, 0.05, 300)) < 0.9, hard < 0.3]).astype(float)
    first, second, third = rank_intervals(scores)
    assert third == (3, 3)
    assert first[0] == second[0] == 1
    continuous = rng.normal(size=(2, 6_000))
    drawn = resample_means(continuous)
    assert drawn.std(axis=0) == pytest.approx(continuous.std(axis=1) / math.sqrt(6_000), rel=0.05)


def test_five_runs_of_many_rows_have_every_figure() -> None:
    rng = np.random.default_rng(3)
    scores = [(rng.random(5_000) < share).astype(float).tolist() for share in (0.5, 0.52, 0.5, 0.6, 0.4)]
    runs = [run(f"r{k}", each) for k, each in enumerate(scores)]
    told = comparison_to_json(compare_runs(runs[0], runs[1:], ASK))
    metric = told["metrics"][0]
    assert set(metric["values"]) == {"r0", "r1", "r2", "r3", "r4"}
    assert set(metric["deltas"]) == set(told["flips"]) == {"r1", "r2", "r3", "r4"}
    assert metric["ranks"]["r3"] == [1, 1]
    assert {"delta", "ci95", "p", "p_corrected", "test", "mde", "verdict", "wins", "losses", "ties"} <= set(
        metric["deltas"]["r3"]
    )
    assert len(told["flips"]["r3"]["gained"]) == 1_000


def test_files_of_every_kind_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,correct,words\n1,true,x\n2,false,y\n")
    (tmp_path / "b.jsonl").write_text('{"id": 1, "correct": 0}\n{"id": 2, "correct": 1}\n')
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"id": [1, 2], "correct": [0.5, None]}), tmp_path / "c.parquet")
    found = [read_run_file(str(tmp_path / name)) for name in ("a.csv", "b.jsonl", "c.parquet")]
    assert [each.ids for each in found] == [[1, 2]] * 3
    assert found[0].metrics == {"correct": [1.0, 0.0]}
    assert list(found[0].columns) == ["correct", "words"]
    assert found[2].metrics["correct"][0] == 0.5
    assert math.isnan(found[2].metrics["correct"][1])


def test_files_that_cannot_be_compared_say_why(tmp_path: Path) -> None:
    def write(text: str, name: str = "bad.csv") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    with pytest.raises(UsageError, match="cannot be read"):
        read_run_file(write("id,correct\n1,2,3\n"))
    with pytest.raises(UsageError, match="row 2 has no 'id'"):
        read_run_file(write("id,correct\n1,1\n,0\n"))
    with pytest.raises(UsageError, match="no text and no whole number"):
        read_run_file(write("id,correct\n1.5,1\n"))
    with pytest.raises(NotFoundError, match="no column 'nr'"):
        read_run_file(write("id,correct\n1,1\n"), key="nr")
    with pytest.raises(UsageError, match="cannot be read"):
        read_run_file(write("nothing of the kind", "bad.parquet"))
    with pytest.raises(NotFoundError, match="share no row"):
        pair([run("a", [1.0], [1]), run("b", [1.0], [2])], ["m"])


def test_scores_and_names_of_metrics() -> None:
    assert as_scores(["a", 1]) is None
    assert as_scores([None, None]) is None
    infinite = as_scores([math.inf, 2])
    assert infinite is not None
    assert math.isnan(infinite[0])
    assert split_metric("graded.correct", ["graded", "results"]) == ("graded", "correct")
    assert split_metric("output/score", ["graded", "results"]) == ("results", "output/score")


def test_scores_that_are_no_numbers_are_counted_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,score\n" + "".join(f"q{k},{k % 2}\n" for k in range(20)))
    odd = {3: "nan", 4: "inf", 5: "-inf", 6: "NaN", 7: ""}
    (tmp_path / "b.csv").write_text("id,score\n" + "".join(f"q{k},{odd.get(k, k % 2)}\n" for k in range(20)))
    a, b = (read_run_file(str(tmp_path / name)) for name in ("a.csv", "b.csv"))
    assert (a.odd, b.odd) == ({}, {"score": ["q3", "q4", "q5", "q6"]})
    said = notes(compare_runs(a, [b], Question(metrics=("score",))))
    assert "4 scores of score in b are NaN or infinite: q3, q4, q5 and 1 more" in said
    assert any(each.startswith("5 rows have no score of score in every run") for each in said)


def test_classes_that_one_run_alone_gives_are_named() -> None:
    base = run("old", [0.0, 1.0] * 20, output=["cat", "dog"] * 20)
    ours = run("new", [0.0, 1.0] * 20, output=[*["cat", "dog"] * 19, "cow", "dog"])
    found = compare_runs(base, [ours], Question(metrics=("m",), by=("output",)))
    assert "output is not the same in all runs on 1 row: slices are those of old; cow in new alone" in notes(found)
    same = compare_runs(
        base, [run("new", [1.0] * 40, output=["cat", "dog"] * 20)], Question(metrics=("m",), by=("output",))
    )
    assert not any("output" in each for each in notes(same))
