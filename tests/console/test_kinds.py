"""Every kind of cell in its viewer, and what makes one version of another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.console.conftest import SHOTS

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.needs_browser
PLAYS = "each => new Promise(done => { const look = () => each.readyState > 0 ? done(each.duration) : setTimeout(look, 50); look(); })"


def test_every_kind_of_cell_has_its_viewer_and_nothing_is_fetched_from_elsewhere(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/projects/self/datasets/kinds/latest?as=table&row=0")
    drawer = page.get_by_role("complementary")
    wave = drawer.get_by_role("img", name="Waveform")
    wave.wait_for()
    heights = wave.locator("rect").evaluate_all("all => all.map(each => Number(each.getAttribute('height')))")
    assert max(heights[:100]) > 50  # the first half sounds …
    assert max(heights[160:]) <= 1  # … and the second is silent
    assert drawer.locator("audio").evaluate(PLAYS) == pytest.approx(1.0, abs=0.01)
    assert drawer.locator("video").evaluate(PLAYS) == pytest.approx(2.0, abs=0.3)
    chat = drawer.locator(".chat")
    assert chat.locator(".user").inner_text() == "user\nIs a whale a fish?"
    assert "return a + b" in drawer.inner_text()
    drawer.locator("details.json summary").filter(has_text="a: {1 field}").wait_for()
    assert "https://example.invalid/elsewhere.png" in drawer.inner_text()
    drawer.get_by_text("s3://bucket/far.png: nothing is fetched from elsewhere").wait_for()
    assert all(each.startswith("http://127.0.0.1:") for each in asked)
    page.screenshot(path=SHOTS / "every-kind.png")


def test_shapes_are_switched_by_class_and_a_damaged_image_hides_nothing_else(page: Page) -> None:
    page.goto("/projects/self/datasets/scenes/latest?as=table&row=0")
    viewer = page.get_by_role("complementary").locator(".viewer").first
    viewer.get_by_role("button", name="mask 2").wait_for()
    assert [viewer.locator(each).count() for each in ("rect", "polygon", "polyline", "canvas.mask")] == [1, 1, 1, 2]
    viewer.get_by_role("button", name="tree").click()
    viewer.get_by_role("button", name="cat").click()
    assert [viewer.locator(each).count() for each in ("rect", "polygon", "polyline")] == [0, 0, 1]
    count = "each => { const d = each.getContext('2d').getImageData(0, 0, each.width, each.height).data; let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"
    masks = viewer.locator("canvas.mask")
    assert [masks.nth(each).evaluate(count) for each in range(2)] == [500, 16]
    viewer.get_by_role("button", name="mask 2").click()
    assert masks.nth(0).evaluate(count) == 400
    page.goto("/projects/self/datasets/scenes/latest?as=table&row=1")
    drawer = page.get_by_role("complementary")
    assert "image: this image cannot be decoded" in drawer.get_by_role("alert").inner_text()
    drawer.locator("canvas.mask, .canvas img").first.wait_for()
    page.get_by_text("damaged image").first.wait_for()


def test_versions_of_datasets_models_and_runtimes_are_told_apart(page: Page) -> None:
    page.goto("/projects/self/datasets/kinds/latest?tab=difference")
    page.locator(".card").filter(has_text="rows added").get_by_text("1", exact=True).wait_for()
    assert "Columns: added none; removed none" in page.locator("main").inner_text()
    page.goto("/projects/self/models/tiny/latest?tab=difference")
    page.locator("ins").filter(has_text="return 2").wait_for()
    page.locator("del").filter(has_text="return 1").wait_for()
    page.goto("/projects/self/models/tiny/latest")
    page.get_by_role("button", name="evaluation.py").click()
    page.locator(".code, pre").filter(has_text="return 2").first.wait_for()
    page.goto("/projects/self/runtimes/env/latest")
    page.get_by_role("region", name="runtime.yaml").or_(page.locator("pre")).filter(has_text="idna").first.wait_for()
    page.get_by_role("link", name="Difference").click()
    line = page.get_by_role("row", name=re.compile("cuda"))
    line.get_by_text("11.8").wait_for()
    line.get_by_text("12.1").wait_for()
    page.screenshot(path=SHOTS / "runtime-difference.png")
