"""Every page of the console, light and dark, narrow and wide: something to see, nothing too wide, nothing that axe calls serious."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.console.conftest import SHOTS, Console, open_page
from tests.console.roots import CLONE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.needs_browser

PAGES = {
    "evaluations": ("/", "knn"),
    "leaderboard": ("/projects/self/jobs?show=board", "more is better"),
    "over time": ("/projects/self/jobs?show=time", "Press a point"),
    "report": ("/jobs/{knn}", "Confusion matrix"),
    "rows": ("/jobs/{knn}/rows", "output/label"),
    "tables": ("/jobs/{knn}/tables?table=labels", "precision"),
    "chart": ("/jobs/{knn}/tables?table=roc_auc/3&show=chart", "Press a point"),
    "how it ran": ("/jobs/{knn}/steps", "Tasks and attempts"),
    "compare": ("/compare?run={knn}&run={logistic}", "Rows that changed"),
    "threshold": ("/compare?run={knn}&run={logistic}&show=threshold", "Precision"),
    "side by side": ("/compare?run={knn}&run={logistic}&show=charts", "Confusion matrix of logistic"),
    "what differs": ("/compare?run={knn}&run={logistic}&show=differences", "What they found"),
    "shapes": ("/compare?run={near}&run={far}", "mask 2"),
    "datasets": ("/projects/self/datasets", "digits"),
    "dataset": ("/projects/self/datasets/digits/latest", "899 rows"),
    "statistics": ("/projects/self/datasets/digits/latest?tab=statistics", "distinct values"),
    "gallery": ("/projects/self/datasets/scenes/latest", "damaged image"),
    "kinds": ("/projects/self/datasets/kinds/latest?as=table&row=0", "Is a whale a fish?"),
    "dataset difference": ("/projects/self/datasets/kinds/latest?tab=difference", "rows added"),
    "models": ("/projects/self/models", "logistic"),
    "model": ("/projects/self/models/knn/latest", "evaluation.py"),
    "model difference": ("/projects/self/models/tiny/latest?tab=difference", "updated"),
    "runtimes": ("/projects/self/runtimes", "env"),
    "runtime": ("/projects/self/runtimes/env/latest", "runtime.yaml"),
    "runtime difference": ("/projects/self/runtimes/env/latest?tab=difference", "12.1"),
    "answers": ("/jobs/{large}/rows", "1,319 rows"),
    "mnist report": ("/jobs/{mnist}", "Confusion matrix"),
    "mnist rows": ("/jobs/{mnist}/rows", "2,000 rows"),
    "not there": ("/jobs/nobody", "nobody"),
}
AXE = (CLONE / "ui" / "node_modules" / "axe-core" / "axe.min.js").resolve()
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.mark.parametrize(
    ("colours", "width"),
    [
        ("light", 1440),
        ("dark", 380),
        pytest.param("light", 380, marks=pytest.mark.soak),
        pytest.param("dark", 1440, marks=pytest.mark.soak),
    ],
)
def test_every_page_shows_what_it_is_of_and_anyone_can_use_it(
    browser: Browser, console: Console, width: int, colours: str
) -> None:
    found: dict[str, Any] = {}
    for page in open_page(browser, console, width, colours):
        for name, (path, text) in PAGES.items():
            if not set(re.findall(r"{(\w+)}", path)) <= set(console.jobs):
                continue  # its recorded data is not here
            page.goto(path.format(**console.jobs))
            page.get_by_text(text).first.wait_for()
            page.wait_for_timeout(200)  # pictures that are still on their way would be in no screenshot
            page.screenshot(path=SHOTS / f"{name.replace(' ', '-')}-{width}-{colours}.png")
            problems = serious(page)
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if problems or over > 0:
                found[name] = {"axe": problems, "too wide by": over}
    assert found == {}


def serious(page: Page) -> list[str]:
    """What axe finds of the rules of WCAG 2.2 AA that is serious or critical."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("(tags) => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", WCAG)
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:150]}"
        for each in result["violations"]
        if each["impact"] in {"serious", "critical"}
    ]


def test_the_widest_screen_is_used(browser: Browser, console: Console) -> None:
    for page in open_page(browser, console, 2560, "light"):
        page.goto(f"/jobs/{console.jobs['knn']}")
        page.get_by_text("Confusion matrix").wait_for()
        page.screenshot(path=SHOTS / "report-2560-light.png")
        assert page.evaluate("document.querySelector('.page').clientWidth") > 2400


def test_the_first_page_loads_less_than_300_kilobytes_of_script(page: Page, console: Console) -> None:
    import gzip

    sizes: dict[str, int] = {}

    def note(url: str, body: bytes) -> None:
        sizes[url] = len(gzip.compress(body, 6))

    page.on("response", lambda answer: note(answer.url, answer.body()) if answer.url.endswith(".js") else None)
    page.goto("/")
    page.get_by_role("link", name="knn").wait_for()
    assert sizes
    assert sum(sizes.values()) < 300_000, json.dumps(sizes, indent=1)
    assert not any("vega" in each for each in sizes)
