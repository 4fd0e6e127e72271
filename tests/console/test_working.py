"""What one does in the console, as one does it: with the pointer and with the keys."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.console.conftest import SHOTS, Console
from tests.console.roots import SCRIPT

from starwhale.testing.executors import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.needs_browser


def test_three_clicks_lead_to_the_first_row_that_changed_with_its_input(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Choose knn").click()
    page.get_by_label("Choose logistic").click()
    page.get_by_role("link", name="Compare", exact=True).click()
    flip = page.locator("[data-flip]").first
    flip.get_by_role("img").first.wait_for()
    flip.get_by_text("input/image").first.wait_for()
    assert page.locator(".verdict").inner_text()


@pytest.mark.needs_recorded_data
def test_answers_that_changed_stand_beside_their_question_with_a_diff(page: Page, console: Console) -> None:
    page.goto(f"/compare?run={console.jobs['small']}&run={console.jobs['large']}")
    flip = page.locator("[data-flip]").first
    flip.get_by_text("input/question").wait_for()
    flip.locator(".text-box del").first.wait_for()
    flip.locator(".text-box ins").first.wait_for()
    assert "better" in page.locator(".verdict").inner_text()
    page.screenshot(path=SHOTS / "answers-compared.png")
    page.get_by_role("button", name=re.compile("^Lost")).click()
    page.locator("[data-flip] .badge.bad").first.wait_for()
    assert "direction=lost" in page.url


@pytest.mark.parametrize("job", ["knn", pytest.param("mnist", marks=pytest.mark.needs_recorded_data)])
def test_a_cell_of_the_confusion_matrix_shows_its_rows(page: Page, console: Console, job: str) -> None:
    """Of outputs that are columns, and of one column that holds objects."""
    page.goto(f"/jobs/{console.jobs[job]}")
    cell = page.get_by_role("button", name=re.compile("true 4, predicted 9: [1-9]"))
    said = re.search(r"(\d+) rows?", cell.get_attribute("aria-label") or "")
    assert said
    cell.click()
    page.get_by_text(re.compile(rf"^{said[1]} rows?$")).first.wait_for()
    assert page.get_by_role("row").count() == int(said[1]) + 1


def test_rows_are_filtered_sorted_and_opened_and_the_address_keeps_it(page: Page, console: Console) -> None:
    page.goto(f"/jobs/{console.jobs['knn']}/rows")
    box = page.get_by_label("Filter rows")
    box.fill("output/label != input/label")
    box.press("Enter")
    page.get_by_text("33 rows").first.wait_for()
    page.get_by_role("columnheader", name="output/label").get_by_role("button").click()
    page.get_by_role("columnheader", name="output/label").and_(page.locator("[aria-sort=descending]")).wait_for()
    page.get_by_role("gridcell").nth(0).click()
    drawer = page.get_by_role("complementary")
    drawer.get_by_text("input/image").wait_for()
    title = drawer.get_by_role("heading").inner_text()
    page.keyboard.press("j")
    wait_for(lambda: drawer.get_by_role("heading").inner_text() != title, "the next row")
    address = page.url
    page.goto(address)
    page.get_by_text("33 rows").first.wait_for()
    drawer.get_by_text("graded/correct").wait_for()
    drawer.get_by_role("button", name="Next row").wait_for()
    page.keyboard.press("Escape")
    drawer.wait_for(state="detached")
    box.fill("digits_#@#_93")
    box.press("Enter")
    page.wait_for_url(re.compile("where=id\\+contains"))
    page.get_by_text(re.compile(r"^\d+ rows$")).first.wait_for()


def test_a_filter_that_makes_no_sense_is_answered_in_words(page: Page, console: Console) -> None:
    page.goto(f"/jobs/{console.jobs['knn']}/rows?where=output+%3D%3D%3D")
    page.get_by_role("alert").wait_for()
    assert page.get_by_label("Filter rows").input_value() == "output ==="


def test_keys_alone_lead_from_the_list_to_a_comparison(page: Page) -> None:
    page.goto("/")
    page.get_by_role("grid").focus()
    for key in ("ArrowDown", "Space", "ArrowDown", "Space"):
        page.keyboard.press(key)
    page.get_by_text("2 chosen").wait_for()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="How it ran").wait_for()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.get_by_label("Go to, or do").fill("digits")
    page.get_by_role("option", name=re.compile("^digits.*dataset")).wait_for()  # "Nothing fits" is an option too
    page.keyboard.press("Enter")
    page.get_by_label("Go to, or do").wait_for(state="hidden")
    page.wait_for_url(re.compile("digits|jobs"))
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url(re.compile("/models$"))


def test_what_was_removed_is_back_after_undo(page: Page, console: Console) -> None:
    page.goto(f"/jobs/{console.jobs['hostile']}")
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Recover").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Remove").wait_for()
    assert "hostile" in console.root.jobs()


def test_a_note_and_a_tag_stand_in_the_list(page: Page, console: Console) -> None:
    page.goto(f"/jobs/{console.jobs['logistic']}")
    page.get_by_role("button", name="Tags and note").click()
    page.get_by_label("New tag").fill("looked-at")
    page.get_by_role("button", name="Add").click()
    page.get_by_label("Take the tag looked-at away").wait_for()
    page.get_by_label("Note", exact=True).fill("slower, and worse")
    page.get_by_role("button", name="Keep the note").click()
    page.get_by_text("“slower, and worse”").wait_for()
    page.goto("/?")
    page.get_by_label("Search evaluations").fill("worse")
    page.get_by_text("1 evaluation", exact=True).wait_for()


@pytest.mark.parametrize(
    "path", ["/", "/jobs/{hostile}", "/jobs/{hostile}/rows?row=self/hostile_%23@%23_1", "/jobs/{hostile}/tables", "/jobs/{hostile}/steps",
             "/projects/self/datasets/hostile/latest?as=table&row=1", "/projects/self/datasets/hostile/latest?tab=statistics"]
)  # fmt: skip
def test_nothing_that_comes_from_data_is_run(page: Page, console: Console, path: str) -> None:
    page.goto(path.format(**console.jobs))
    page.locator("h1").wait_for()
    page.wait_for_timeout(700)
    name = re.sub(r"[^a-z]+", "-", path).strip("-")
    page.screenshot(path=SHOTS / f"{name}-of-hostile-data.png")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main script").count() == 0


def test_hostile_text_is_shown_as_it_is_and_a_damaged_picture_is_named(page: Page, console: Console) -> None:
    page.goto("/projects/self/datasets/hostile/latest?as=table&row=1")
    drawer = page.get_by_role("complementary")
    drawer.get_by_text(SCRIPT[:30]).first.wait_for()
    drawer.get_by_role("alert").wait_for()
    assert "cannot be decoded" in drawer.inner_text()


def test_a_run_is_seen_while_it_goes_on_paused_and_cancelled(page: Page, console: Console) -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "starwhale.cli", "model", "run", "slow.py", "-d", "slow", "--name", "watched"],
        cwd=console.root.folder, env=console.root.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        page.goto("/")
        page.get_by_role("link", name="watched").click()
        page.get_by_text("running").first.wait_for()
        page.get_by_role("link", name="Rows", exact=True).click()
        page.get_by_text("slow_#@#_0").first.wait_for()
        page.get_by_role("link", name="How it ran").click()
        page.locator("td button").first.click()
        page.get_by_role("log").get_by_text("row 0", exact=True).wait_for()
        page.screenshot(path=SHOTS / "running.png")
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Resume", exact=True).wait_for()
        run.wait(timeout=30)
        page.get_by_role("button", name="Resume", exact=True).click()
        page.get_by_role("button", name="Cancel").wait_for()
        page.get_by_role("button", name="Cancel").click()
        page.locator("h1 .badge").get_by_text("canceled").wait_for()
        before = page.url
        page.get_by_role("button", name="Run again").click()
        page.wait_for_url(lambda url: "/jobs/" in url and url.split("/jobs/")[1][:40] != before.split("/jobs/")[1][:40])
        page.locator("h1 .badge").get_by_text("running").wait_for()
        page.get_by_role("link", name="Rows", exact=True).click()
        page.get_by_text("slow_#@#_0").first.wait_for()
        page.get_by_role("button", name="Cancel").click()
        page.locator("h1 .badge").get_by_text("canceled").wait_for()
    finally:
        if run.poll() is None:
            run.kill()
        run.wait(timeout=30)


def test_a_server_that_comes_back_is_noticed(page: Page, console: Console) -> None:
    page.goto("/")
    page.get_by_role("link", name="knn").wait_for()
    console.stop(signal.SIGKILL)
    page.get_by_text("The server does not answer").wait_for()
    assert page.get_by_role("link", name="knn").is_visible()
    console.restart()
    page.get_by_text("The server does not answer").wait_for(state="detached")
    page.get_by_role("link", name="Datasets").click()
    page.get_by_role("link", name="digits").wait_for()


def test_a_bar_of_a_chart_shows_its_rows(page: Page, console: Console) -> None:
    page.goto(f"/jobs/{console.jobs['near']}/tables?table=graded&show=chart&mark=histogram&x=score")
    bar = page.locator(".chart path[aria-roledescription=bar]").last
    said = re.search(r"rows: (\d+)", bar.get_attribute("aria-label") or "")
    assert said
    bar.click()
    page.get_by_text(re.compile(rf"^{said[1]} rows?$")).first.wait_for()


def test_a_link_opens_a_row_that_is_far_down_and_says_where_there_is_none(page: Page, console: Console) -> None:
    page.goto("/projects/self/datasets/digits/latest?as=table&row=799")
    drawer = page.get_by_role("complementary")
    drawer.get_by_role("img").first.wait_for()
    title = drawer.get_by_role("heading").inner_text()
    page.keyboard.press("j")
    wait_for(lambda: drawer.get_by_role("heading").inner_text() != title, "the next row")
    page.goto("/projects/self/datasets/digits/latest?as=table&row=899")
    drawer.get_by_text("There is no such row").wait_for()


def test_a_column_is_pinned_an_interval_stands_beside_its_value_and_a_view_is_kept(page: Page) -> None:
    page.goto("/")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="knn"))
    row.locator(".half").first.wait_for()
    assert row.locator(".half").first.get_attribute("title") == "95 % [0.9489, 0.9737]"
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Pin Datasets").click()
    page.wait_for_url(re.compile("pin=datasets"))
    page.keyboard.press("Escape")
    heads = page.get_by_role("columnheader").all_inner_texts()
    assert [each.strip() for each in heads].index("Datasets") == 2
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Name of this view").fill("where it ran")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="All evaluations").click()
    page.wait_for_url(lambda url: "pin=" not in url)
    page.reload()
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="where it ran", exact=True).click()
    page.wait_for_url(re.compile("pin=datasets"))
    page.screenshot(path=SHOTS / "pinned.png")


def test_curves_of_all_classes_lie_over_each_other(page: Page, console: Console) -> None:
    page.goto(f"/jobs/{console.jobs['knn']}")
    group = page.get_by_role("group", name="Classes drawn")
    group.get_by_role("button", name="4").click()
    plot = page.locator(".curve-plot")
    wait_for(lambda: plot.locator("polyline").count() == 9, "the curves of all classes")
    page.get_by_role("button", name="PR", exact=True).click()
    plot.get_by_text("precision", exact=True).wait_for()
    page.get_by_role("button", name="None", exact=True).click()
    group.get_by_role("button", name="3").click()
    wait_for(lambda: plot.locator("polyline").count() == 1, "one curve")
    box = plot.locator("polyline").bounding_box()
    assert box
    page.mouse.click(
        box["x"] + box["width"] - 2, box["y"] + box["height"] - 2
    )  # where all of the class are found, and others too
    page.wait_for_url(re.compile("sort=output%2Fprobabilities%2F3"))
    found = parse_qs(urlsplit(page.url).query)["where"][0]
    threshold = float(found.removeprefix("output/probabilities/3 >= "))
    rows = page.request.get(f"/api/v1/jobs/{console.jobs['knn']}/rows?limit=1000").json()["items"]
    reached = sum(each["output/probabilities"][3] >= threshold for each in rows)
    page.get_by_text(re.compile(rf"^{reached} rows?$")).first.wait_for()
    assert 0 < reached <= len(rows)
