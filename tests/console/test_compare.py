"""The comparison beyond its figures: a threshold that is moved, charts beside each other, shapes over images, and only what differs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.console.conftest import SHOTS, Console

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.needs_browser


def rows_of(page: Page, job: str, table: str = "results") -> list[dict[str, Any]]:  # Any: JSON
    """The rows of a table, as the API has them."""
    found: list[dict[str, Any]] = page.request.get(f"/api/v1/jobs/{job}/rows?table={table}&limit=1000").json()["items"]
    return found


def test_a_threshold_that_is_moved_gives_the_figures_of_the_rows(page: Page, console: Console) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
    page.goto(f"/compare?run={console.jobs['knn']}&run={console.jobs['logistic']}&show=threshold&at=0.2")
    figures = page.get_by_role("region", name="Figures at the threshold")
    figures.wait_for()
    page.wait_for_load_state("networkidle")
    before, count = figures.inner_text(), len(asked)
    slider = page.get_by_label("Threshold", exact=True)
    slider.focus()
    page.keyboard.press("End")
    for _ in range(150):
        page.keyboard.press("ArrowLeft")
    assert page.locator("output").inner_text() == "0.7000"
    assert figures.inner_text() != before
    assert len([each for each in asked[count:] if "thresholds" in each]) == 0  # nothing was asked for
    rows = rows_of(page, console.jobs["logistic"])
    called = [(each["output/probabilities"][9] >= 0.7, each["input/label"] == 9) for each in rows]
    right, wrong = sum(a and b for a, b in called), sum(a and not b for a, b in called)
    line = figures.get_by_role("row", name=re.compile("^Right: 9")).inner_text().split()
    assert line[-1] == str(right)
    assert figures.get_by_role("row", name=re.compile("^Wrongly called 9")).inner_text().split()[-1] == str(wrong)
    assert f"{right / (right + wrong):.4f}" in figures.get_by_role("row", name=re.compile("^Precision")).inner_text()
    page.get_by_label("positive").select_option("4")
    page.get_by_text("number 4 of each list").wait_for()
    page.get_by_role("button", name=re.compile("^Best F1")).click()
    page.wait_for_url(re.compile("at=0"))
    page.screenshot(path=SHOTS / "threshold.png", full_page=True)


def test_figures_of_another_class_are_dimmed_until_its_own_are_here(page: Page, console: Console) -> None:
    page.goto(f"/compare?run={console.jobs['knn']}&run={console.jobs['logistic']}&show=threshold&at=0.5")
    figures = page.get_by_role("region", name="Figures at the threshold")
    figures.wait_for()
    held: list[Route] = []
    page.route(re.compile("/comparison/thresholds.*positive=4"), lambda route: held.append(route))  # noqa: PLW0108 - playwright sets an attribute on it
    page.get_by_label("positive").select_option("4")
    page.locator(".stale[aria-busy=true]").filter(has=figures).last.wait_for(state="attached")
    for _ in range(100):
        if held:
            break
        page.wait_for_timeout(50)
    assert figures.evaluate(
        "each => Number(getComputedStyle(each).opacity) < 0.6 && getComputedStyle(each).pointerEvents === 'none'"
    )
    assert figures.get_by_role("row", name="Right: 9").count() == 1  # they are those of the class before
    held[0].continue_()
    figures.get_by_role("row", name="Right: 4").wait_for()
    assert page.locator(".stale[aria-busy=true]").count() == 0
    assert figures.evaluate("each => getComputedStyle(each).opacity") == "1"


def test_a_score_without_classes_is_counted_and_a_bar_shows_its_rows(page: Page, console: Console) -> None:
    page.goto(
        f"/compare?run={console.jobs['near']}&run={console.jobs['far']}&show=threshold&score=graded.score&truth=(none)&at=0.5"
    )
    figures = page.get_by_role("region", name="Figures at the threshold")
    line = figures.get_by_role("row", name=re.compile("^Rows at or above"))
    line.wait_for()
    reached = [
        sum(each["score"] >= 0.5 for each in rows_of(page, console.jobs[name], "graded")) for name in ("near", "far")
    ]
    assert line.inner_text().split()[-2:] == [str(each) for each in reached]
    page.get_by_label("true class").select_option("has_cat")
    figures.get_by_role("row", name=re.compile("^Right: true")).wait_for()


def test_charts_of_runs_stand_side_by_side_and_only_what_differs_is_listed(page: Page, console: Console) -> None:
    page.goto(f"/compare?run={console.jobs['knn']}&run={console.jobs['logistic']}&show=charts")
    page.get_by_role("img", name=re.compile("^ROC curves: knn, logistic")).wait_for()
    assert page.locator(".curve-plot polyline").count() == 4
    page.get_by_role("region", name="Confusion matrix of logistic").get_by_role("button").first.wait_for()
    page.get_by_role("button", name="false").first.click()
    page.get_by_text(re.compile("^33 rows$")).first.wait_for()
    page.go_back()
    page.get_by_role("link", name="What differs").click()
    found = page.get_by_role("region", name="What they found")
    found.get_by_role("row", name=re.compile("accuracy")).first.wait_for()
    assert "kind" not in found.inner_text()
    few = page.get_by_role("row").count()
    page.get_by_label("only what differs").click()  # its state is the address, which changes a moment later
    found.get_by_role("row", name=re.compile("^kind")).wait_for()
    assert page.get_by_role("row").count() > few


def test_shapes_of_both_runs_lie_over_the_image_and_are_switched(page: Page, console: Console) -> None:
    page.goto(f"/compare?run={console.jobs['near']}&run={console.jobs['far']}")
    flip = page.locator("[data-flip]").first
    canvas = flip.locator(".canvas").first
    canvas.locator("rect").first.wait_for()
    assert canvas.locator("rect").count() == 5  # two of each run, one of the input
    assert canvas.locator("polygon").count() == 1
    tools = flip.locator(".viewer").first.locator(".toolbar")
    tools.get_by_role("button", name="far", exact=True).click()
    assert canvas.locator("rect").count() == 3
    tools.get_by_role("button", name="cat", exact=True).click()
    assert canvas.locator("rect").count() == 1
    painted = "each => each.getContext('2d').getImageData(0, 0, each.width, each.height).data.some(value => value > 0)"
    masks = canvas.locator("canvas.mask")
    assert [masks.nth(place).evaluate(painted) for place in range(masks.count())] == [True, True, True, False]
    for each in tools.get_by_role("button", name=re.compile("^mask ")).all():
        each.click()
    assert [masks.nth(place).evaluate(painted) for place in range(masks.count())] == [False, True, False, False]
    page.screenshot(path=SHOTS / "shapes-compared.png")
