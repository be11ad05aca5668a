"""The process is killed at every point of a registration; the same request again finishes what it began, once."""

import signal
import sys
from pathlib import Path

import httpx2
import pytest

from atoll.storage import open_database
from atoll.testing.crashing_database import CrashPoint, crash_points
from atoll.testing.service_process import service_process
from shop_users.app import create_app
from shop_users.settings import UsersSettings

SCRIPT = Path(__file__).with_name("crashing_users.py")
ANN = {"name": "Ann", "email": "ann@example.com", "password": "correct horse battery"}
KEY = {"Idempotency-Key": "k"}

pytestmark = pytest.mark.system


@pytest.mark.parametrize("point", crash_points(statements=4), ids=str)
async def test_an_account_is_opened_once(tmp_path: Path, point: CrashPoint) -> None:
    file = f"sqlite:///{tmp_path}/users.db"
    command = [sys.executable, str(SCRIPT), str(point)]
    async with service_process(command, {"port": 0, "database_url": file, "log_format": "json"}) as process:
        await process.ready()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{process.port}") as client:
            with pytest.raises(httpx2.TransportError):
                await client.post("/users", json=ANN, headers=KEY)
        assert -signal.SIGKILL == (await process.ended()).code

    service = create_app(UsersSettings(database_url=file))
    async with service.running():
        anyone = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=service.app), base_url="http://users")
        answers = [await anyone.post("/users", json=ANN, headers=KEY) for _ in range(2)]
    async with open_database(file) as database:
        users = await database.fetch_all("SELECT id FROM users")

    assert [201, 201] == [answer.status_code for answer in answers]
    assert answers[0].content == answers[1].content
    assert [(answers[0].json()["id"],)] == users
