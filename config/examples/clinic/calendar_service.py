"""The clinic's calendar: a small business system of its own, on SQLite. It takes what the bridge has signed, each message once.

CLINIC_SECRET=whsec_... python calendar_service.py [--port 8090] [--database calendar.db]
"""

import argparse
import json
import os
import sqlite3
import sys
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

TIMES = ("09:00", "10:30", "12:00", "14:15", "16:30")
MAX_BODY = 1 << 20
SCHEMA = """
CREATE TABLE IF NOT EXISTS appointments (
    date TEXT NOT NULL, time TEXT NOT NULL, phone_number TEXT NOT NULL, name TEXT NOT NULL, call_id TEXT NOT NULL,
    PRIMARY KEY (date, time)
);
CREATE TABLE IF NOT EXISTS seen (message_id TEXT PRIMARY KEY, status INTEGER NOT NULL, answer TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calls (call_id TEXT PRIMARY KEY, outcome TEXT NOT NULL);
"""


class Calendar:
    """The appointments. Every method is one transaction."""

    def __init__(self, path: str) -> None:
        self._path = path
        with self._open() as database:
            database.executescript(SCHEMA)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=5.0)

    def take(self, path: str, message_id: str, request: dict) -> tuple[int, dict]:
        """Do what a message asks; the same message again gets the same answer and changes nothing."""
        database = self._open()
        try:
            with database:
                database.execute("BEGIN IMMEDIATE")
                known = database.execute(
                    "SELECT status, answer FROM seen WHERE message_id = ?", (message_id,)
                ).fetchone()
                if known:
                    return known[0], json.loads(known[1])
                status, answer = {"/find": self.find, "/book": self.book, "/events": self.note}[path](database, request)
                database.execute("INSERT INTO seen VALUES (?, ?, ?)", (message_id, status, json.dumps(answer)))
                return status, answer
        finally:
            database.close()

    def find(self, database: sqlite3.Connection, request: dict) -> tuple[int, dict]:
        """Free times of a day, else of the next days that have any."""
        wanted = request["tool_args"].get("date")
        today = datetime.now().astimezone().date()
        days = [wanted] if wanted else [(today + timedelta(days=n)).isoformat() for n in range(1, 4)]
        taken = set(database.execute("SELECT date, time FROM appointments"))
        return 200, {"free": [{"date": d, "time": t} for d in days for t in TIMES if (d, t) not in taken]}

    def book(self, database: sqlite3.Connection, request: dict) -> tuple[int, dict]:
        """An appointment for whoever is on the phone."""
        wanted, call = request["tool_args"], request["call"]
        row = (wanted["date"], wanted["time"], call["phone_number"], wanted.get("name", ""), call["call_id"])
        try:
            database.execute("INSERT INTO appointments VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            return 409, {"error": "That time is taken. Please offer another one."}
        return 200, {"booked": True, "date": wanted["date"], "time": wanted["time"]}

    def note(self, database: sqlite3.Connection, event: dict) -> tuple[int, dict]:
        """How a call ended."""
        data = event["data"]
        outcome = data["outcome"]["reason"] if data["outcome"] else ""
        database.execute("INSERT OR REPLACE INTO calls VALUES (?, ?)", (data["call_id"], outcome))
        return 200, {}


def handler(calendar: Calendar, webhook: Webhook) -> type[BaseHTTPRequestHandler]:
    """What answers a request."""

    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        timeout = 10.0
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Prove it, then do it."""
            length = int(self.headers.get("Content-Length") or 0)
            if length > MAX_BODY or self.path not in ("/find", "/book", "/events"):
                self._answer(404, {"error": "There is nothing here."})
                return
            body = self.rfile.read(length)
            try:
                request = webhook.verify(body, dict(self.headers.items()))
            except WebhookVerificationError:
                self._answer(401, {"error": "The signature is wrong."})
                return
            try:
                self._answer(*calendar.take(self.path, self.headers["webhook-id"], request))
            except (KeyError, TypeError):
                self._answer(400, {"error": "Something is missing in the request."})

        def _answer(self, status: int, answer: dict) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
            """Requests name people: nothing is logged."""

    return Handler


def main() -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="The clinic's calendar.")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--database", default="calendar.db")
    args = parser.parse_args()
    secret = os.environ.get("CLINIC_SECRET", "")
    if not secret:
        print("Set CLINIC_SECRET to the secret that the bridge signs with.", file=sys.stderr)
        return 2
    server = ThreadingHTTPServer(("127.0.0.1", args.port), handler(Calendar(args.database), Webhook(secret)))
    print(f"The calendar listens at http://127.0.0.1:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
