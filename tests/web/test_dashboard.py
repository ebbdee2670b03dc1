"""The dashboard of a running bot: who gets in, what they see, and what they can do."""

import re

import pytest

from tests.dialogs.stages import TelegramStage, World
from tests.fakes.model import Fault, ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually
from tests.web.operators import PATH, Visitor, account_of, dashboard, text_of, token_in


@pytest.fixture
def stage(either_world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(either_world, telegram_server)


@pytest.fixture
def quick_stage(world: World, telegram_server: TelegramServer) -> TelegramStage:
    """The same on SQLite alone, for what has nothing to do with the database."""
    return TelegramStage(world, telegram_server)


@pytest.mark.slow
async def test_an_operator_signs_in_looks_and_leaves(stage: TelegramStage) -> None:
    async with dashboard(stage) as visitor:
        outside = await visitor.get()
        assert (outside.status_code, outside.headers["location"]) == (303, f"{PATH}/login")
        entered = await visitor.sign_in()
        assert (entered.status_code, entered.headers["location"]) == (303, PATH)
        page = await visitor.get()
        told = text_of(page)
        assert "Telegram listening here" in told
        assert "All is well" in told
        assert re.search(r"Our part of it \d+\s%", told), "the model's part is known"
        assert "1 answer, 0 refused, 0 failed" in told
        assert "Ada" in told
        for path in ("/people?who=ada", "/people/1", "/turns", "/turns/1", "/deeds", "?by=days"):
            assert (await visitor.get(PATH + path)).status_code == 200, path
        for path in ("/people/99", "/turns/99", "/nothing"):
            assert (await visitor.get(PATH + path)).status_code == 404, path
        assert "sign-in dashboard" in text_of(await visitor.get(f"{PATH}/deeds"))
        left = await visitor.post(f"{PATH}/logout", page)
        assert left.headers["location"] == f"{PATH}/login"
        assert (await visitor.get()).status_code == 303
        await stage.records.idle(2)  # the code is a turn of its own
    code = "SELECT count(*) FROM turns WHERE answer LIKE '%for the dashboard%'"
    assert stage.records.one(code) == 0, "a code that was delivered stands nowhere"


@pytest.mark.slow
async def test_a_failed_turn_is_replayed(stage: TelegramStage, model: ModelServer) -> None:
    async with dashboard(stage) as visitor:
        model.enqueue(Fault(403))
        await stage.say("say secret words")
        await stage.records.idle(2)
        await visitor.sign_in()
        page = await visitor.get()
        assert "The model API refused the key" in text_of(page)
        assert "secret" not in page.text
        order = {"verb": "turns", "action": "retry", "numbers": "2", "back": f"{PATH}/turns"}
        done = await visitor.post(f"{PATH}/order", page, **order)
        assert (done.status_code, done.headers["location"]) == (303, f"{PATH}/turns")
        assert "2: queued" in text_of(await visitor.get(f"{PATH}/turns"))
        await eventually(lambda: "secret words" in stage.heard())
        await stage.records.idle(3)
        again = await visitor.get(f"{PATH}/turns")
        assert "queued" not in text_of(again), "the answer to an order is shown once"
        assert "No turn is in trouble" in text_of(again)
        assert "turns retry 2" in text_of(await visitor.get(f"{PATH}/deeds"))


@pytest.mark.slow
async def test_what_went_wrong_is_counted(stage: TelegramStage) -> None:
    async with dashboard(stage) as visitor:
        await visitor.sign_in()
        stage.server.fail("sendMessage", status=429, retry_after=1)
        await stage.say("say it after a while")
        await stage.records.idle(3)
        stage.server.fail("sendMessage", status=403, description="Forbidden: bot was blocked")
        await stage.say("say it to nobody")
        await stage.records.idle(4)
        told = text_of(await visitor.get())
        assert re.search(r"Flood limits by platform Platform Number Telegram 1\b", told)
        assert "The bot may not write there" in told
        assert "1 failed" in told
        assert "Errors of the model None in the last 48 hours" in told


async def test_limits_are_changed_after_a_question(stage: TelegramStage) -> None:
    async with dashboard(stage) as visitor:
        await visitor.sign_in()
        person = f"{PATH}/people/1"
        page = await visitor.get(person)
        assert "199 turns left of 200 turns/day" in text_of(page)
        order = {"verb": "limit", "who": "1", "limits": "7 turns/day", "back": person}
        asked = await visitor.post(f"{PATH}/order", page, **order)
        assert asked.status_code == 200
        assert "Are you sure?" in text_of(asked)
        assert "default → 7 turns/day" in text_of(asked)
        assert "199 turns" in text_of(await visitor.get(person)), "nothing is done yet"
        done = await visitor.post(f"{PATH}/order", asked, **order, sure="yes")
        assert done.headers["location"] == person
        assert "6 turns left of 7 turns/day" in text_of(await visitor.get(person))
        wrong = await visitor.post(f"{PATH}/order", page, **{**order, "limits": "<b>/&"})
        assert wrong.status_code == 303
        shown = await visitor.get(person)
        assert 'class="said failed"' in shown.text
        assert "<b>" not in shown.text
        deeds = text_of(await visitor.get(f"{PATH}/deeds"))
        assert f"limit 1 {account_of(stage)} default → 7 turns/day" in deeds


async def test_words_are_shown_only_if_the_operator_wants_it(quick_stage: TelegramStage) -> None:
    for wanted in (False, True):
        async with dashboard(quick_stage, dashboard_texts=wanted) as visitor:
            await visitor.sign_in()
            page = await visitor.get(f"{PATH}/turns/1")
            assert ("say hello" in page.text) is wanted


async def test_nobody_can_tell_who_is_an_operator(quick_stage: TelegramStage) -> None:
    async with dashboard(quick_stage) as visitor:
        pages = []
        for account in ("telegram:4711", account_of(quick_stage)):
            visitor.client.cookies.clear()
            page = await visitor.ask(account)
            wrong = await visitor.post(f"{PATH}/login/code", page, code="222-222-222")
            assert wrong.status_code == 403
            secret = token_in(page)
            pages.append((page.text.replace(secret, ""), wrong.text.replace(secret, "")))
        assert pages[0] == pages[1]
        code = await visitor.code()
        visitor.client.cookies.clear()
        page = await visitor.ask("telegram:4711")
        stolen = await visitor.post(f"{PATH}/login/code", page, code=code)
        assert stolen.status_code == 403, "a code is for the browser that asked for it"


@pytest.mark.slow
async def test_nobody_floods_an_operator(quick_stage: TelegramStage) -> None:
    async with dashboard(quick_stage) as visitor:
        statuses = []
        for _ in range(25):
            page = await visitor.get(f"{PATH}/login")
            sent = await visitor.post(f"{PATH}/login", page, account=account_of(quick_stage))
            statuses.append(sent.status_code)
        assert statuses == [303] * 20 + [429] * 5
        await quick_stage.records.idle(4)
        sent_codes = "SELECT count(*) FROM logins"
        assert quick_stage.records.one(sent_codes) == 3


@pytest.mark.parametrize("is_behind_tls", [False, True])
async def test_cookies_are_for_this_site_alone(
    quick_stage: TelegramStage, *, is_behind_tls: bool
) -> None:
    headers = {"X-Forwarded-Proto": "https"} if is_behind_tls else {}
    async with dashboard(quick_stage) as visitor:
        shown = await visitor.client.get(f"{PATH}/login", headers=headers)
        [cookie] = shown.headers.get_list("set-cookie")
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Path=/" in cookie
        assert ("Secure" in cookie) is is_behind_tls
        assert cookie.startswith("__Host-") is is_behind_tls


async def test_a_form_of_another_site_changes_nothing(quick_stage: TelegramStage) -> None:
    async with dashboard(quick_stage) as visitor:
        await visitor.sign_in()
        page = await visitor.get(f"{PATH}/people/1")
        token = token_in(page)
        order = {"verb": "block", "who": "1", "back": PATH, "sure": "yes"}
        for fields, headers in (
            (order, {}),
            ({**order, "form": "0" * 64}, {}),
            ({**order, "form": token}, {"Origin": "https://evil.test"}),
            ({**order, "form": token}, {"Origin": "null"}),
            ({**order, "form": token}, {"Sec-Fetch-Site": "cross-site"}),
        ):
            sent = await visitor.client.post(f"{PATH}/order", data=fields, headers=headers)
            assert sent.status_code == 403
        for wrong in ({"back": "https://evil.test"}, {"who": "1 OR 1"}, {"verb": "announce"}):
            fields = {**order, "form": token, **wrong}
            assert (await visitor.client.post(f"{PATH}/order", data=fields)).status_code == 400
        visitor.client.cookies.clear()
        sent = await visitor.client.post(f"{PATH}/order", data={**order, "form": token})
        assert sent.headers["location"] == f"{PATH}/login"
    assert quick_stage.records.one("SELECT count(*) FROM standings WHERE blocked_at > 0") == 0


async def test_pages_load_nothing_from_elsewhere(quick_stage: TelegramStage) -> None:
    async with dashboard(quick_stage) as visitor:
        await visitor.sign_in()
        for path in ("", "/login", "/people/1", "/turns", "/nowhere"):
            page = await visitor.get(PATH + path)
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert page.headers["cache-control"] == "no-store"
            for forbidden in ("<script", "style=", "http://", "https://", " on"):
                assert not re.search(rf"{forbidden}\w*=|{forbidden}\b.*src", page.text), forbidden
        page = await visitor.get()
        style = re.search(r'href="(/dashboard/style-[0-9a-f]+\.css)"', page.text)
        assert style
        sheet = await visitor.get(style[1])
        assert sheet.headers["content-type"].startswith("text/css")
        assert "immutable" in sheet.headers["cache-control"]
        assert "url(" not in sheet.text
        assert "@import" not in sheet.text


async def test_a_hostile_name_is_only_a_name(quick_stage: TelegramStage) -> None:
    hostile = "<script>alert(1)</script>\"'><img src=x>"
    async with dashboard(quick_stage) as visitor:
        await quick_stage.records.write("UPDATE identities SET name = :name", name=hostile)
        await visitor.sign_in()
        for path in ("", "/people/1", "/people?who=script", f"/people?who={hostile}"):
            page = await visitor.get(PATH + path)
            assert "<script" not in page.text
            assert "<img" not in page.text
            assert "&lt;script&gt;" in page.text


async def test_there_is_no_dashboard_without_operators_or_if_it_is_off(
    quick_stage: TelegramStage,
) -> None:
    for off in ({"admins": ""}, {"dashboard": False}):
        async with dashboard(quick_stage, **off) as visitor:
            assert (await visitor.get()).status_code == 404
            assert (await visitor.get(f"{PATH}/login")).status_code == 404


async def _tokens(visitor: Visitor) -> set[str]:
    return {cookie.value or "" for cookie in visitor.client.cookies.jar}


async def test_no_secret_of_a_visit_is_in_the_database(stage: TelegramStage) -> None:
    async with dashboard(stage) as visitor:
        await visitor.sign_in()
        [token] = await _tokens(visitor)
        assert len(token) >= 43
    found = stage.records.all("SELECT * FROM visits")
    assert len(found) == 1
    assert token not in repr(found)
