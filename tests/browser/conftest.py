"""Fixtures of the browser tests: a trained grid, a real `dagster dev` on a copy of it, a page."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from commands.live_dagster import LiveDagster
from tests.browser.chromium import ABSENT, EXECUTABLE, IS_REQUIRED, WINDOW, Watch, launch, slow_down
from tests.browser.ui import PATIENCE_MS, RUN_MS, DagsterUI
from tests.browser.workshop import ROOT, Workshop, build_workshop

SCREENSHOTS = Path(os.environ.get("QUARRY_SCREENSHOTS") or ROOT / ".screenshots")
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Remember that a test failed, for its page's last screenshot."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
def has_chromium() -> None:
    """Skip without a browser, or fail where one was promised."""
    if not EXECUTABLE and IS_REQUIRED:
        pytest.fail(ABSENT)
    if not EXECUTABLE:
        pytest.skip(ABSENT)


@pytest.fixture(scope="session")
def template(has_chromium: None, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A grid that is trained, collected and labelled, once for all tests; nobody changes it."""
    return build_workshop(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def browser(template: Workshop) -> Iterator[Browser]:
    """One browser; after the template, since Dagster wants no event loop beside it."""
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def workshop(template: Workshop) -> Iterator[Workshop]:
    """A copy of the grid for the tests of one file, with code of its own to change.

    In a folder with a plain name, since pictures show paths.
    """
    with tempfile.TemporaryDirectory(prefix="quarry-") as folder:
        yield template.copy(Path(folder) / "demo")


@pytest.fixture(scope="module")
def prepare() -> Callable[[Workshop], None]:
    """What a file's tests do to their workshop before Dagster starts; a file may say another."""
    return lambda workshop: None


@pytest.fixture(scope="module")
def dagster(workshop: Workshop, prepare: Callable[[Workshop], None]) -> Iterator[LiveDagster]:
    """Web server, daemon and code server on the workshop."""
    prepare(workshop)
    log = workshop.folder / "dagster.log"
    settings = workshop.environment()
    with LiveDagster(
        log, root=workshop.root, environment=settings, start_s=RUN_MS / 1000
    ) as dagster:
        yield dagster
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    shutil.copy(log, SCREENSHOTS / f"{workshop.folder.parent.name}.log")


@pytest.fixture
def ui(
    request: pytest.FixtureRequest, browser: Browser, dagster: LiveDagster
) -> Iterator[DagsterUI]:
    """The UI in a fresh window; at the end nothing may have gone wrong behind the page."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(viewport=WINDOW, base_url=dagster.url, timezone_id="UTC")
    context.set_default_timeout(PATIENCE_MS)
    page, watch = context.new_page(), Watch()
    watch.follow(page)
    slow_down(page)
    yield DagsterUI(page, SCREENSHOTS)
    if request.node.stash.get(FAILED, False):
        page.screenshot(path=SCREENSHOTS / f"FAILED-{request.node.name}.png")
    text = page.locator("body").inner_text()
    context.close()
    assert "Something went wrong" not in text
    assert watch.complaints == []
