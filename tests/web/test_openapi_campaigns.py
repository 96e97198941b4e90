"""The description of campaigns describes the routes that there are."""

from typing import Any

from bridge.web.openapi_campaigns import campaign_paths

KEY = {"name": "Idempotency-Key", "in": "header"}


def operation(words: str, answers: dict[int, Any], **more: Any) -> dict[str, Any]:
    """As it was asked for."""
    return {"words": words, "answers": answers, **more}


def test_every_placeholder_of_a_path_is_described() -> None:
    """And none that is not there; what a query may say is beside them."""
    for path, methods in campaign_paths(operation, KEY).items():
        names = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        for method, each in methods.items():
            placed = [one for one in each.get("parameters", ()) if one["in"] == "path"]
            assert {one["name"] for one in placed} == names, (method, path)
            assert all(one["required"] for one in placed)


def test_what_changes_something_says_so_and_every_route_tells_its_errors() -> None:
    """Words, answers and refusals for each; a body only where one is read."""
    for path, methods in campaign_paths(operation, KEY).items():
        assert path.startswith("/api/v1/")
        for method, each in methods.items():
            assert each["words"].endswith(".")
            assert {403, 503} <= set(each["errors"])
            assert min(each["answers"]) < 300
            assert ("body" in each) <= (method in {"post", "patch"})
