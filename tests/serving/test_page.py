"""The page of online evaluation in a browser: forms, conversations, pictures, sound, verdicts and rows. Screenshots lie in `.cache/serving`."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import wave
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.console.conftest import browser
from tests.console.roots import CLONE
from tests.console.test_pages import serious
from tests.serving.conftest import Server, end, environment, start

from starwhale.instances.online import OnlineOptions, OnlineRequest
from starwhale.testing.executors import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

__all__ = ["browser"]
pytestmark = pytest.mark.needs_browser
SHOTS = CLONE / ".cache" / "serving"
MODEL = '''
import os
import time
from typing import Annotated, Literal

from starwhale import Audio, Image, evaluation
from starwhale.api.service import LLMChat, api

NAME = os.path.splitext(os.path.basename(__file__))[0]


@evaluation.predict
def is_even(row):
    """Say whether a number is even."""
    return row["number"] % 2 == (0 if NAME == "first" else 1)


@api()
def mix(count: int, share: Annotated[float, range(0, 2)] = 0.5, how: Literal["fast", "slow"] = "fast", is_loud: bool = False, note: str = ""):
    """Say what was given."""
    return {"count": count, "share": share, "how": how, "is_loud": is_loud, "note": note, "by": NAME}


@api(inference_type=LLMChat())
def chat(user_input: str, history: list, temperature: float = 0.7):
    """Talk."""
    yield f"{NAME} at {temperature}: "
    if user_input == "break":
        raise ValueError("secret")
    while user_input == "hold" and not os.path.exists("go"):
        time.sleep(0.01)
    while user_input == "endless":
        yield "and "
        time.sleep(0.01)
    yield f"{user_input}, after {[each.content for each in history]}"


@api()
def invert(picture: Image) -> Image:
    """Turn a picture into its negative."""
    return Image(255 - picture.to_numpy())


@api()
def echo(sound: Audio) -> Audio:
    """Give a sound back."""
    return Audio(sound.to_bytes(), "again.wav", mime_type="audio/wav")


@api()
def hostile():
    return "<img src=x onerror=\\"window.hacked=1\\"><script>window.hacked=1</script>"
'''
NUMBERS = """
from starwhale import dataset
with dataset("numbers") as rows:
    rows.extend([{"number": n, "label": n % 2 == 0, "hint": f"the number {n}"} for n in range(5)])
    rows.commit()
"""


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment(folder), check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """Two models side by side, kept, over an instance with a dataset that a job has tried."""
    folder = tmp_path_factory.mktemp("page")
    for name in ("first", "second"):
        (folder / f"{name}.py").write_text(MODEL)
    run(folder, "-c", NUMBERS)
    run(folder, "-m", "starwhale.cli", "model", "run", "first.py", "-d", "numbers", "--name", "before")
    server = start(folder, OnlineOptions(request=OnlineRequest(targets=("first.py", "second.py")), record=True))
    yield server
    end(server)


def opened(browser: Browser, address: str, width: int = 1440, colours: Any = "light") -> Iterator[Page]:
    """Open pages that fail their test where the page itself reports an error."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=colours, base_url=address)
    context.set_default_timeout(25_000)  # two cores may be busy with other tests
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda each: problems.append(each.text) if "Content Security" in each.text else None)
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def page(browser: Browser, models: Server) -> Iterator[Page]:
    yield from opened(browser, models.address)


def answer(page: Page, model: str) -> Locator:
    return page.locator(f"article[data-model='{model}']")


def field(page: Page, name: str) -> Locator:
    return page.locator(f"[data-field='{name}']")


def send(page: Page) -> None:
    page.get_by_role("button", name="Send", exact=True).click()


def until(page: Page, script: str) -> None:
    """Ask the page again and again from here: its own rules forbid it to evaluate texts, as `wait_for_function` does from its second look on."""
    wait_for(lambda: bool(page.evaluate(script)), script)


def picture(colour: tuple[int, int, int] = (255, 0, 10)) -> bytes:
    from PIL import Image

    written = io.BytesIO()
    Image.new("RGB", (24, 16), colour).save(written, "PNG")
    return written.getvalue()


def sound() -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<h", (n % 40 - 20) * 500) for n in range(4000)))
    return written.getvalue()


def upload(page: Page, name: str, file: str, kind: str, content: bytes) -> None:
    chosen: Any = {"name": file, "mimeType": kind, "buffer": content}
    field(page, name).locator("input[type=file]").set_input_files(chosen)


def test_a_form_is_filled_and_two_models_answer_beside_each_other(page: Page) -> None:
    page.goto("/?api=mix")
    page.get_by_text("Say what was given.").wait_for()
    page.get_by_label("share").fill("1.5")
    page.get_by_label("how").select_option("slow")
    send(page)
    field(page, "count").get_by_text("count is missing").wait_for()
    page.get_by_label("count").fill("4")
    page.get_by_label("share").fill("3")
    page.keyboard.press("Control+Enter")
    field(page, "share").get_by_text("share is 3").wait_for()
    page.get_by_label("share").fill("1")
    send(page)
    for name in ("first", "second"):
        answer(page, name).get_by_text("ms, of which the model").wait_for()
        said = answer(page, name).locator("dd").all_inner_texts()
        assert said == ["4", "1", "slow", "false", "", name]
    assert field(page, "share").locator(".problem").inner_text() == ""


def test_a_conversation_streams_from_two_models_keeps_turns_and_is_stopped(page: Page, models: Server) -> None:
    page.goto("/?api=chat")
    message = page.get_by_label("Message")
    page.get_by_label("temperature").fill("0.2")
    message.fill("hold")
    message.press("Enter")
    turns = [answer(page, name).locator(".bot") for name in ("first", "second")]
    for name, turn in zip(
        ("first", "second"), turns, strict=True
    ):  # what is there already is shown while the rest is made
        turn.get_by_text(f"{name} at 0.2:").wait_for()
        assert turn.get_attribute("aria-busy") == "true"
    (models.log.parent / "go").touch()
    for turn in turns:
        turn.get_by_text("hold, after []").wait_for()
        turn.get_by_text("2 pieces in").wait_for()
    message.fill("endless")
    message.press("Enter")
    for name in ("first", "second"):
        answer(page, name).locator(".bot").nth(1).get_by_text("and and").wait_for()
    page.get_by_role("button", name="Stop").click()
    for name in ("first", "second"):
        answer(page, name).locator(".bot").nth(1).get_by_text("stopped, ").wait_for()
    message.fill("break")
    message.press("Enter")
    answer(page, "first").get_by_text("its code failed").wait_for()
    assert "secret" not in page.content()
    message.fill("so")
    message.press("Enter")
    last = answer(page, "second").locator(".bot").nth(3)
    last.get_by_text(
        "so, after ['hold', 'second at 0.2: hold, after []', 'endless', 'second at 0.2: and and"
    ).wait_for()
    assert "break" not in last.inner_text()  # a turn that failed is no part of what is said next
    page.get_by_role("button", name="New conversation").click()
    message.fill("hello")
    message.press("Enter")
    answer(page, "first").get_by_text("hello, after []").wait_for()


def test_a_picture_is_sent_as_a_file_or_drawn_and_comes_back_as_one(page: Page) -> None:
    page.goto("/?api=invert")
    upload(page, "picture", "red.png", "image/png", picture())
    send(page)
    shown = answer(page, "second").locator("img")
    shown.wait_for()
    assert shown.evaluate("each => each.decode().then(() => [each.naturalWidth, each.naturalHeight])") == [24, 16]
    field(page, "picture").get_by_text("Draw it").click()
    draw(page, [(0.1, 0.1), (0.9, 0.9)])
    page.get_by_role("img", name="A drawing of 1 strokes").wait_for()
    send(page)
    until(page, "() => document.querySelector('article img')?.naturalWidth === 256")
    page.get_by_role("button", name="Undo").click()
    send(page)
    field(page, "picture").get_by_text("picture is missing").wait_for()
    upload(page, "picture", "broken.png", "image/png", b"\x89PNG that is none")
    send(page)
    field(page, "picture").get_by_text("does not decode as an image").wait_for()


def test_a_sound_is_sent_and_can_be_played(page: Page) -> None:
    page.goto("/?api=echo")
    upload(page, "sound", "beep.wav", "audio/wav", sound())
    send(page)
    for place in (field(page, "sound").locator("audio"), answer(page, "first").locator("audio")):
        place.wait_for()
        wait_for(partial(place.evaluate, "each => each.duration > 0"), "the length of the sound")
        assert place.evaluate("each => each.duration") == pytest.approx(0.5)
    page.context.grant_permissions(["microphone"])
    page.get_by_role("button", name="Record").click()
    field(page, "sound").get_by_text("listening…").wait_for()
    page.wait_for_timeout(300)  # of the sound that the browser itself makes
    page.get_by_role("button", name="Stop recording").click()
    field(page, "sound").get_by_role("button", name="Record", exact=True).wait_for()
    until(page, "() => document.querySelector('[data-field=sound] audio')?.duration !== 0.5")
    send(page)
    until(
        page,
        "() => { const found = document.querySelector('article audio')?.duration; return found > 0 && found !== 0.5; }",
    )


def test_verdicts_are_kept_and_become_labels_of_a_dataset(page: Page, models: Server) -> None:
    page.goto("/?api=is_even")
    for number, judge in ((4, "good"), (7, "corrected"), (9, "bad")):
        field(page, "number").locator("textarea").fill(str(number))
        send(page)
        card = answer(page, "second")
        card.get_by_role("button", name="Good").wait_for()
        if judge == "corrected":
            card.get_by_label("The right answer").fill("false")
            card.get_by_label("Note").fill("seven is odd")
            card.get_by_role("button", name="Keep").click()
        else:
            card.get_by_role("button", name=judge.title()).click()
        card.get_by_text("kept", exact=True).wait_for()
    assert card.get_by_role("button", name="Bad").get_attribute("aria-pressed") == "true"
    line = page.get_by_role("row").filter(has_text="second").filter(has_text="is_even")
    line.get_by_role("textbox").fill("judged")
    line.get_by_role("button", name="Make a dataset").click()
    line.get_by_text("judged/version/").wait_for()
    found = models.client.get("/rows", params={"dataset": "judged", "limit": 20}).json()["rows"]
    said = {each["row"]["number"]: each["row"] for each in found}
    assert said[4] == {"number": 4, "output": False, "verdict": "good", "label": False}
    assert said[7] == {"number": 7, "output": True, "verdict": "bad", "label": False, "note": "seven is odd"}
    assert said[9] == {"number": 9, "output": True, "verdict": "bad"}
    page.get_by_role("combobox", name="Rows of a dataset").get_by_text("judged").wait_for(state="attached")
    job = next(
        api["job"]
        for each in models.client.get("/models").json()["models"]
        for api in each["apis"]
        if each["id"] == "second" and api["job"]
    )
    listed = run(models.log.parent, "-m", "starwhale.cli", "-o", "json", "job", "list")
    assert job in listed  # like any other


def test_rows_of_a_dataset_are_stepped_through_with_label_and_prediction_and_sent_with_changes(page: Page) -> None:
    page.goto("/?api=is_even")
    page.get_by_role("combobox", name="Rows of a dataset").select_option(label="numbers")
    page.get_by_label("Predictions of").get_by_text("before").wait_for(state="attached")
    stored = page.locator(".stored")
    stored.get_by_role("heading", name="Row 0").wait_for()
    page.get_by_role("button", name="Next row").click()
    stored.get_by_role("heading", name="Row 1").wait_for()
    assert stored.locator("[data-label]").inner_text() == "false"
    assert stored.locator("[data-prediction]").inner_text() == "false"
    assert field(page, "number").locator("textarea").input_value() == "1"
    assert field(page, "hint").locator("textarea").input_value() == "the number 1"
    send(page)
    answer(page, "second").locator(".output").get_by_text("true").wait_for()
    field(page, "number").locator("textarea").fill("2")
    send(page)
    answer(page, "second").locator(".output").get_by_text("false").wait_for()
    page.get_by_label("Number of the row").fill("5")
    page.get_by_label("Number of the row").press("Enter")
    stored.get_by_role("heading", name="Row 4").wait_for()
    assert page.get_by_role("button", name="Next row").is_disabled()


def test_what_a_model_says_is_never_run(page: Page) -> None:
    page.goto("/?api=hostile")
    send(page)
    answer(page, "first").get_by_text("<script>").wait_for()
    assert page.evaluate("window.hacked") is None


def look_at_form(page: Page) -> None:
    page.goto("/?api=mix")
    page.get_by_label("count").fill("4")
    send(page)
    answer(page, "second").get_by_text("ms, of which the model").wait_for()


def look_at_chat(page: Page) -> None:
    page.goto("/?api=chat")
    for text in (
        "What is it?",
        "A longer message, which has more than one line on a telephone, and is no shorter anywhere else.",
    ):
        page.get_by_label("Message").fill(text)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Stop").wait_for(state="hidden")


def look_at_picture(page: Page) -> None:
    page.goto("/?api=invert")
    upload(page, "picture", "red.png", "image/png", picture())
    send(page)
    answer(page, "second").locator("img").wait_for()


def look_at_sound(page: Page) -> None:
    page.goto("/?api=echo")
    upload(page, "sound", "beep.wav", "audio/wav", sound())
    send(page)
    answer(page, "second").locator("audio").wait_for()


def look_at_rows(page: Page) -> None:
    page.goto("/?api=is_even")
    page.get_by_role("combobox", name="Rows of a dataset").select_option(label="numbers")
    page.locator(".stored [data-prediction]").wait_for()
    send(page)
    card = answer(page, "first")
    card.get_by_label("The right answer").fill("true")
    card.get_by_role("button", name="Keep").click()
    card.get_by_text("kept", exact=True).wait_for()


def look_at_problem(page: Page) -> None:
    page.goto("/?api=mix")
    send(page)
    field(page, "count").get_by_text("count is missing").wait_for()


LOOKS: dict[str, Callable[[Page], None]] = {
    "form": look_at_form,
    "chat": look_at_chat,
    "picture": look_at_picture,
    "sound": look_at_sound,
    "rows": look_at_rows,
    "problem": look_at_problem,
}


@pytest.mark.parametrize(("width", "colours"), [(380, "light"), (380, "dark"), (1440, "light"), (1440, "dark")])
def test_everything_fits_and_anyone_can_use_it(browser: Browser, models: Server, width: int, colours: str) -> None:
    found: dict[str, Any] = {}
    for page in opened(browser, models.address, width, colours):
        for name, look in LOOKS.items():
            look(page)
            page.screenshot(path=SHOTS / f"{name}-{width}-{colours}.png", full_page=True)
            problems = serious(page)
            over = page.evaluate(
                "Math.max(...[document.documentElement, ...document.querySelectorAll('.wide')].map(each => each.scrollWidth - each.clientWidth))"
            )
            if problems or over > 0:
                found[name] = {"axe": problems, "too wide by": over}
    assert found == {}


SEVEN = [(0.25, 0.2), (0.75, 0.2), (0.5, 0.55), (0.4, 0.85)]


def draw(page: Page, points: list[tuple[float, float]]) -> None:
    """Draw a line through points, given as parts of the side of the pad."""
    pad = page.locator("canvas.pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box is not None
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for each in at[1:]:
        page.mouse.move(*each, steps=8)
    page.mouse.up()


def scanned_seven() -> bytes:
    from PIL import Image, ImageDraw

    written, image = io.BytesIO(), Image.new("L", (200, 200), 0)
    ImageDraw.Draw(image).line([(x * 200, y * 200) for x, y in SEVEN], fill=255, width=22)
    image.save(written, "PNG")
    return written.getvalue()


def test_the_digit_models_of_the_demo_tell_a_drawn_seven(browser: Browser, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    examples = CLONE / "examples" / "digits"
    run(tmp_path, str(examples / "train.py"), "models")
    run(tmp_path, str(examples / "build_dataset.py"))
    server = start(tmp_path, OnlineOptions(request=OnlineRequest(targets=("models/knn", "models/logistic"))))
    try:
        for page in opened(browser, server.address):
            page.goto("/")
            draw(page, SEVEN)
            send(page)
            says_seven(page)
            page.screenshot(path=SHOTS / "digits-drawn.png", full_page=True)
            page.get_by_role("button", name="Clear").click()
            upload(page, "image", "seven.png", "image/png", scanned_seven())  # for those who cannot draw
            page.keyboard.press("Control+Enter")
            says_seven(page)
            page.get_by_role("combobox", name="Rows of a dataset").select_option(label="digits")
            page.locator(".stored [data-label]").wait_for()
            page.get_by_text("Draw it").click()
            draw(page, SEVEN)  # now with the 8 by 8 pixels from 0 to 16 of the row that it stands for
            send(page)
            says_seven(page)
    finally:
        end(server)


def says_seven(page: Page) -> None:
    for name in ("knn", "logistic"):
        answer(page, name).get_by_text("ms, of which the model").wait_for()
        assert answer(page, name).locator("dd").first.inner_text() == "7", name
