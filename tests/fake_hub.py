"""As much of the Hugging Face hub as pushing and fetching a model asks for, in memory, behind its own client."""

import base64
import hashlib
import json
import re
from typing import Any

import httpx2
from huggingface_hub.utils._http import hf_request_event_hook

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Repositories by name; a request that is not one of these is 404."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.requests: list[str] = []
        self.gated: set[str] = set()

    def client(self) -> httpx2.Client:
        """What huggingface_hub.set_client_factory wants to be given by a function."""
        hooks = {"request": [hf_request_event_hook]}  # which keeps to HF_HUB_OFFLINE
        return httpx2.Client(transport=httpx2.MockTransport(self.answer), event_hooks=hooks, follow_redirects=True)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """One request."""
        path, method = request.url.path, request.method
        self.requests.append(f"{method} {path}")
        if (found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)) and method in ("HEAD", "GET"):
            return self._file(found[1], found[2], found[3], method)
        if method == "POST" and path == "/api/repos/create":
            wanted = json.loads(request.read())
            name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
            self.repositories.setdefault(name, {})
            return httpx2.Response(200, json={"url": f"https://huggingface.co/{name}", "name": name})
        if method == "POST" and path == "/api/validate-yaml":
            return httpx2.Response(200, json={"errors": [], "warnings": []})
        if method == "POST" and (found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path)):
            names = [file["path"] for file in json.loads(request.read())["files"]]
            files = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            return httpx2.Response(200, json={"files": files})
        if method == "POST" and (found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path)):
            return self._commit(found[1], request.read())
        return httpx2.Response(404, headers={"X-Error-Code": "RepoNotFound"})

    def _file(self, name: str, revision: str, file: str, method: str) -> httpx2.Response:
        if name not in self.repositories:
            return httpx2.Response(404, headers={"X-Error-Code": "RepoNotFound"})
        if name in self.gated:
            return httpx2.Response(403, headers={"X-Error-Code": "GatedRepo"})
        if revision not in ("main", "v1", COMMIT):
            return httpx2.Response(404, headers={"X-Error-Code": "RevisionNotFound"})
        data = self.repositories[name].get(file)
        if data is None:
            return httpx2.Response(404, headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        headers = {
            "ETag": f'"{hashlib.sha1(data).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            "Content-Length": str(len(data)),
        }
        return httpx2.Response(200, headers=headers, content=data if method == "GET" else b"")

    def _commit(self, name: str, body: bytes) -> httpx2.Response:
        for line in body.decode().splitlines():
            item: dict[str, Any] = json.loads(line)
            if item["key"] == "file":
                self.repositories[name][item["value"]["path"]] = base64.b64decode(item["value"]["content"])
        url = f"https://huggingface.co/{name}/commit/{COMMIT}"
        return httpx2.Response(200, json={"commitUrl": url, "commitOid": COMMIT, "success": True})
