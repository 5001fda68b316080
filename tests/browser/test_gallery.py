"""Pictures are kept across reloads, and can be opened again and removed."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.support.page_actions import paint, painted, seeds, steps


def test_a_scene_is_there_after_a_reload_with_all_that_made_it(page: Page) -> None:
    steps(page, "3")
    page.get_by_label("Who is in it?").fill("a fox")
    page.get_by_label("Harmony").fill("0.2")
    paint(page)
    painted(page)
    before = seeds(page)
    page.reload()
    expect(page.get_by_text("Once upon a time")).to_be_visible()
    page.get_by_role("button", name="a fox, a castle at sunset").first.click()
    expect(page.get_by_role("img", name="a fox, in front of a castle at sunset")).to_be_visible()
    expect(page.get_by_label("Who is in it?")).to_have_value("a fox")
    expect(page.get_by_label("Harmony")).to_have_value("0.2")
    expect(page.locator("#character-steps")).to_have_value("3")
    expect(page.get_by_role("img", name="Character alone")).to_be_visible()
    assert seeds(page) == before
    page.get_by_role("button", name="Remove: a fox").click()
    expect(page.locator("#gallery > li")).to_have_count(0)
    page.reload()
    expect(page.get_by_text("Nothing yet.")).to_be_visible()


def test_removing_all_is_confirmed_first_and_can_be_undone(page: Page) -> None:
    steps(page, "2")
    for who in ("a fox", "a cat"):
        page.get_by_label("Who is in it?").fill(who)
        paint(page)
        expect(page.get_by_role("button", name=f"{who}, a castle at sunset").first).to_be_visible()
    gallery = page.locator("#gallery > li")
    page.get_by_role("button", name="Remove all").click()
    dialog = page.get_by_role("dialog", name="Remove all 2 pictures?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(gallery).to_have_count(2)
    page.get_by_role("button", name="Remove all").click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(gallery).to_have_count(2)
    page.get_by_role("button", name="Remove all").click()
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(gallery).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(gallery).to_have_count(2)
    page.reload()
    expect(gallery).to_have_count(2)
    page.get_by_role("button", name="a fox, a castle at sunset").first.click()
    expect(page.get_by_role("img", name="Place alone")).to_be_visible()


def test_removing_one_can_be_undone(page: Page) -> None:
    steps(page, "2")
    paint(page)
    painted(page)
    page.get_by_role("button", name="Remove: a knight").click()
    expect(page.locator("#gallery > li")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#gallery > li")).to_have_count(1)
    expect(page.get_by_role("button", name="Undo")).to_be_hidden()


def test_layers_of_an_older_page_are_not_used(page: Page) -> None:
    """They include light and shadow: a figure that is moved would leave its shadow behind."""
    steps(page, "2")
    paint(page)
    painted(page)
    page.evaluate(
        """async () => {
          const open = (name, version, upgrade) => new Promise((resolve, reject) => {
            const asking = indexedDB.open(name, version);
            asking.onupgradeneeded = () => upgrade(asking.result);
            asking.onsuccess = () => resolve(asking.result);
            asking.onerror = () => reject(asking.error);
          });
          const all = (database, store) => new Promise((resolve) => {
            const asking = database.transaction(store).objectStore(store).getAll();
            asking.onsuccess = () => resolve(asking.result);
          });
          const now = await open("scenewright");
          const [scenes, layers] = [await all(now, "scenes"), await all(now, "layers")];
          now.close();
          await new Promise((resolve) => (indexedDB.deleteDatabase("scenewright").onsuccess = resolve));
          const before = await open("scenewright", 1, (database) => {
            for (const name of ["scenes", "layers", "boards"]) {
              database.createObjectStore(name, { keyPath: "id" });
            }
          });
          const writing = before.transaction(["scenes", "layers"], "readwrite");
          for (const scene of scenes) writing.objectStore("scenes").put(scene);
          for (const each of layers) writing.objectStore("layers").put(each);
          await new Promise((resolve) => (writing.oncomplete = resolve));
          before.close();
        }"""
    )
    page.reload()
    page.get_by_role("button", name="a knight").first.click()
    expect(page.get_by_role("img", name="a knight")).to_be_visible()
    expect(page.locator("#composition-hint")).to_contain_text("Changes apply when you paint")
