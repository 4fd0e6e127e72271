"""Reports and comparisons that were written as pages: without a server and a script, they fit and anyone can use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
from tests.console.conftest import SHOTS, build_console
from tests.console.test_pages import serious
from tests.results.test_report_forms import make_comparison, report

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from starwhale.results.reports.job_report import JobReport

__all__ = ["report"]
pytestmark = pytest.mark.needs_browser


def test_written_pages_fit_ask_for_nothing_and_anyone_can_use_them(
    browser: Browser, report: JobReport, tmp_path: Path
) -> None:
    build_console()  # axe comes with its packages
    pages = {"report": report.to_html(), "comparison": make_comparison().to_html()}
    found: dict[str, Any] = {}
    screens: list[tuple[int, Literal["light", "dark"]]] = [(380, "light"), (1440, "dark")]
    for width, colours in screens:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=colours)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        for name, html in pages.items():
            file = tmp_path / f"{name}.html"
            file.write_text(html, encoding="utf-8")
            page.goto(file.as_uri())
            page.screenshot(path=SHOTS / f"written-{name}-{width}-{colours}.png", full_page=True)
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if (problems := serious(page)) or over > 0:
                found[f"{name} at {width}"] = {"axe": problems, "too wide by": over}
        assert asked == [(tmp_path / f"{name}.html").as_uri() for name in pages]
        context.close()
    assert found == {}
