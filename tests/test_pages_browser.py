"""The web pages in a real Chromium: by keyboard, without a network, in light and dark.

Playwright's loop runs in this thread until the last of these tests, so that none may run a loop of its own.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests import web
from tests.web import NAMES, PAGES, STAFF, Live, rename, reveal

site, browser, live = web.site, web.browser, web.live


def file(name: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "text/csv", "buffer": data}


def test_a_student_hands_in_by_keyboard_and_sees_the_queue_then_the_score_without_loading_again(live: Live) -> None:
    page = live.tab("b01")
    page.goto(f"{live.url}/homeworks/hw01/submit")
    page.evaluate("window.stayed = true")
    page.set_input_files("#file", file("preds \u202e.csv", live.school.file(9.0)))
    assert "preds ?.csv" in page.inner_text("#chosen")
    page.focus("#message")
    page.keyboard.type("second try")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Submit"
    page.keyboard.press("Enter")
    page.wait_for_selector("#result >> text=Waiting at position 1")
    assert "position 1" in page.inner_text("#said")
    page.wait_for_selector("#clocks >> text=99 of 100")
    heading = page.query_selector("#result h2")
    live.school.work()
    page.wait_for_selector("#result >> text=Graded: public RMSE")
    assert heading.evaluate("element => element.isConnected")  # what did not change stayed
    assert "Graded" in page.inner_text("#said")
    assert page.evaluate("window.stayed")
    assert "second try" in page.inner_text("#result")


def test_a_refused_file_shows_what_is_wrong_and_a_second_time_the_same_file_uses_no_slot(live: Live) -> None:
    page = live.tab("b01")
    page.goto(f"{live.url}/homeworks/hw01/submit")
    page.set_input_files("#file", file("bad.csv", b"id,tested_positive\n0,<b>abc</b>\n1,\n"))
    page.click("#hand-in button")
    page.wait_for_selector("#result >> text=Waiting")
    live.school.work()
    page.wait_for_selector("#result table.problems")
    text = page.inner_text("#result")
    assert "<b>abc</b>" in text
    assert "E_NUMBER" in text
    page.wait_for_selector("#clocks >> text=100 of 100")
    for _ in range(2):
        page.set_input_files("#file", file("good.csv", live.school.file(5.0)))
        page.click("#hand-in button")
        page.wait_for_selector("#result >> text=Waiting")
    page.wait_for_selector("#result >> text=already submitted")
    page.wait_for_selector("#clocks >> text=99 of 100")


def test_a_file_is_dropped_and_one_that_is_too_large_or_over_the_quota_is_refused_in_words(live: Live) -> None:
    page = live.tab("b01")
    page.goto(f"{live.url}/homeworks/hw01/submit")
    drop = """([text]) => {
        const data = new DataTransfer();
        data.items.add(new File([text], "dropped.csv"));
        const zone = document.getElementById("drop");
        for (const kind of ["dragover", "drop"])
            zone.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
    }"""
    page.evaluate(drop, [live.school.file(5.0).decode()])
    assert "dropped.csv" in page.inner_text("#chosen")
    page.evaluate("document.getElementById('hand-in').dataset.most = '10'")
    page.click("#hand-in button")
    assert "at most 10 bytes" in page.inner_text("#refusal")
    page.evaluate("document.getElementById('hand-in').dataset.most = '10000000'")
    page.click("#hand-in button")
    page.wait_for_selector("#result >> text=Waiting")
    path = live.school.home.root / "config.toml"
    path.write_text(path.read_text().replace("quota = 100", "quota = 1"))
    page.evaluate(drop, [live.school.file(6.0).decode()])
    page.click("#hand-in button")
    page.wait_for_selector("#refusal .problem")
    assert "quota" in page.inner_text("#refusal").lower() or "submissions" in page.inner_text("#refusal")
    live.said[:] = [text for text in live.said if "429" not in text]


def test_a_failing_network_keeps_the_file_and_the_next_try_goes_through(live: Live) -> None:
    page = live.tab("b01")
    page.goto(f"{live.url}/homeworks/hw01/submit")
    page.set_input_files("#file", file("a.csv", live.school.file(5.0)))
    page.context.set_offline(True)
    page.click("#hand-in button")
    page.wait_for_selector("#refusal >> text=The network failed")
    page.context.set_offline(False)
    page.click("#hand-in button")
    page.wait_for_selector("#result >> text=Waiting")
    live.said[:] = [text for text in live.said if "ERR_INTERNET_DISCONNECTED" not in text]


def test_the_board_is_sorted_by_keyboard_with_and_without_scripts(live: Live) -> None:
    rename(live.school, {"b01": "Zoe", "b02": "adam"})
    live.upload("b01", live.school.file(8.0))
    live.upload("b02", live.school.file(12.0))
    live.school.work()
    for scripts in (True, False):
        page = live.tab(java_script_enabled=scripts)
        page.goto(f"{live.url}/login")
        page.fill("#token", live.school.tokens["b01"])
        page.press("#token", "Enter")
        page.wait_for_selector("text=Sign out")
        page.goto(f"{live.url}/homeworks/hw01/board")
        for wanted in ("ascending", "descending"):
            page.focus("th.name a")
            page.keyboard.press("Enter")
            page.wait_for_selector(f"th.name[aria-sort={wanted}]")
            names = page.locator("tbody th.name bdi").all_inner_texts()
            assert names == sorted(["adam", "Zoe"], key=str.casefold, reverse=wanted == "descending")
            assert page.url.endswith(f"sort={'-' if wanted == 'descending' else ''}name")
            if scripts:
                assert page.evaluate("document.activeElement.closest('th').className").strip() == "name"


def test_my_submissions_change_in_place_and_ticks_that_are_not_saved_stay(live: Live) -> None:
    live.upload("b01", live.school.file(8.0))
    live.school.work()
    second = live.upload("b01", live.school.file(9.0))
    page = live.tab("b01")
    page.goto(f"{live.url}/homeworks/hw01/submissions")
    page.check("input[value='1']")
    page.focus("input[value='1']")
    box = page.query_selector("input[value='1']")
    assert page.locator("circle").count() == 1
    live.school.work()
    page.wait_for_selector("circle >> nth=1")
    assert box.evaluate("element => element.isConnected && element.checked && element === document.activeElement")
    page.click("text=Save the selection")
    page.wait_for_selector("text=Your selection is saved")
    assert page.is_checked("input[value='1']")
    assert not page.is_checked(f"input[value='{second}']")


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1280, "light")])
@pytest.mark.parametrize(("key", "paths"), [("b01", PAGES), ("ian", STAFF)])
def test_no_page_is_wider_than_its_window_or_breaks_its_policy_in_light_and_dark(
    live: Live, key: str, paths: tuple[str, ...], width: int, theme: str
) -> None:
    rename(live.school, NAMES | {"b03": "N" * 60})
    for who, value in (("b01", 8.0), ("b01", 9.0), ("b02", 10.0)):
        live.upload(who, live.school.file(value), **{"x-filename": "a" * 150, "x-message": "b" * 400})
    live.upload("b01", b"id,tested_positive\n0,abc\n")
    live.school.work()
    live.upload("b01", live.school.file(11.0))
    reveal(live.school)
    page = live.tab(key, viewport={"width": width, "height": 740}, color_scheme=theme)
    for path in paths:
        page.goto(live.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (theme == "light")
    live.said[:] = [text for text in live.said if "404" not in text and "400" not in text]


def test_the_first_tab_leads_past_the_menu_and_focus_is_seen(live: Live) -> None:
    page = live.tab("b01")
    page.goto(f"{live.url}/homeworks/hw01/board")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert (page.evaluate("document.activeElement.textContent"), width) == ("Overview", "3px")


def test_staff_change_a_rule_by_keyboard_and_hear_of_the_preview(live: Live) -> None:
    page = live.tab("tom")
    page.goto(f"{live.url}/homeworks/hw01/rules")
    page.focus("#rule_quota")
    page.keyboard.press("Control+A")
    page.keyboard.type("7")
    page.focus("#reason")
    page.keyboard.type("announced in class")
    page.keyboard.press("Enter")
    page.wait_for_selector("#outcome >> text=quota from 100 to 7")
    assert page.evaluate("document.activeElement.id") == "outcome"
    assert page.get_attribute("#outcome", "role") == "status"
    page.click('button:has-text("Confirm")')
    page.wait_for_selector("text=The rules are changed.")
    assert page.input_value("#rule_quota") == "7"


def test_a_roster_is_read_from_a_file_into_the_form_and_a_token_is_copied(live: Live) -> None:
    page = live.tab("ian")
    page.goto(f"{live.url}/roster/import")
    page.set_input_files("#file", file("people.csv", b"\xef\xbb\xbfid,name\nb09,Zoe\n"))
    page.wait_for_function("document.getElementById('csv').value.includes('Zoe')")
    page.fill("#reason", "late enrolment")
    page.click("text=Preview")
    page.wait_for_selector("#outcome >> text=b09: new, Zoe, student")
    page.click('button:has-text("Confirm")')
    page.wait_for_selector("text=The roster is imported.")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{live.url}/tokens")
    page.fill("#label", "laptop")
    page.click("text=Make a token")
    page.click("text=Copy")
    page.wait_for_selector("text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#token")
