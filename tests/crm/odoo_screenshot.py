"""A picture of a page of a running Odoo, by headless Chromium over the WebDriver protocol."""

import base64
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--window-size=1280,900", "--hide-scrollbars"),
)


def picture(address: str, login: str, password: str, path: str, ready: str, to: Path) -> None:
    """Log in, open `path`, wait for the CSS selector `ready`, and write a PNG."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    profile = tempfile.mkdtemp(prefix="chromium")
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as web:
            _session(web, [*FLAGS, f"--user-data-dir={profile}"])
            _post(web, "url", url=f"{address}/web/login")
            _keys(web, "input[name=login]", login)
            _keys(web, "input[name=password]", f"{password}\ue007")
            _find(web, ".o_main_navbar")
            _post(web, "url", url=f"{address}{path}")
            _find(web, ready)
            time.sleep(2)  # fonts and the log beside the form
            shot = web.get(f"{web.session}/screenshot").json()["value"]
            to.write_bytes(base64.b64decode(shot))
            web.delete(web.session)
    finally:
        driver.terminate()
        driver.wait(20)
        shutil.rmtree(profile, ignore_errors=True)


def _session(web: Any, flags: list[str]) -> None:
    options = {"goog:chromeOptions": {"args": flags}}
    for _ in range(100):
        try:
            made = web.post("/session", json={"capabilities": {"alwaysMatch": options}}).json()
            break
        except httpx.TransportError:
            time.sleep(0.1)
    web.session = f"/session/{made['value']['sessionId']}"


def _post(web: Any, what: str, **body: Any) -> Any:
    answer = web.post(f"{web.session}/{what}", json=body)
    answer.raise_for_status()
    return answer.json()["value"]


def _find(web: Any, selector: str) -> str:
    for _ in range(300):
        found = web.post(
            f"{web.session}/element", json={"using": "css selector", "value": selector}
        )
        if found.status_code == 200:
            return str(next(iter(found.json()["value"].values())))
        time.sleep(0.2)
    raise AssertionError(f"the page shows no {selector}")


def _keys(web: Any, selector: str, text: str) -> None:
    """Type into a field, once the page lets anybody do that."""
    for _ in range(50):
        where = f"{web.session}/element/{_find(web, selector)}/value"
        if web.post(where, json={"text": text}).status_code == 200:
            return
        time.sleep(0.2)
    raise AssertionError(f"nothing can be typed into {selector}")
