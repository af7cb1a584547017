"""Second files in a real Chromium: handed in by keyboard, and pages as wide as their window."""

from __future__ import annotations

import pytest

from tests import web
from tests.classes import PDF, ask_for_attachment
from tests.web import Live, rename

site, browser, live = web.site, web.browser, web.live
OWN, HANDED = "/homeworks/hw01/attachments", "/homeworks/hw01/handed"


def test_a_student_hands_in_a_report_by_keyboard_and_sees_it(live: Live) -> None:
    ask_for_attachment(live.school)
    page = live.tab("b01")
    page.goto(live.url + OWN)
    page.set_input_files("#file", {"name": "my report.pdf", "mimeType": "application/pdf", "buffer": b"no PDF"})
    page.focus("#file")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Hand in"
    page.keyboard.press("Enter")
    page.wait_for_selector("#refusal >> text=does not begin like that")
    page.set_input_files("#file", {"name": "my report.pdf", "mimeType": "application/pdf", "buffer": PDF})
    page.focus("#hand-in button")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Attachment 1 is handed in.")
    assert "my report.pdf" in page.inner_text("table")
    with page.expect_download() as sent:
        page.click("table a")
    assert sent.value.suggested_filename == "my_report.pdf"
    live.said[:] = [text for text in live.said if "422" not in text]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light")])
def test_no_page_of_second_files_is_wider_than_its_window(live: Live, width: int, theme: str) -> None:
    ask_for_attachment(live.school)
    rename(live.school, {"b02": "N" * 60})
    for number in range(3):
        live.upload("b02", PDF + bytes([number]), "attachments", **{"x-filename": "a" * 150})
    for key in ("b02", "ian"):
        page = live.tab(key, viewport={"width": width, "height": 740}, color_scheme=theme)
        for path in (OWN, "/homeworks/hw01", *((HANDED, "/roster/people/b02") if key == "ian" else ())):
            page.goto(live.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
