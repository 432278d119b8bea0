from __future__ import annotations

import pytest
from flask.testing import FlaskClient


def test_the_list_has_the_usual_names_and_the_loaded_model(client: FlaskClient) -> None:
    answer = client.get("/v1/models").get_json()
    assert answer["object"] == "list"
    names = [model["id"] for model in answer["data"]]
    assert set(names) == {"indextts2", "tts-1", "tts-1-hd", "gpt-4o-mini-tts", "stand-in"}
    assert len(names) == 5
    for model in answer["data"]:
        assert (model["object"], model["owned_by"]) == ("model", "indextts")
        assert isinstance(model["created"], int)


@pytest.mark.parametrize("name", ["tts-1", "stand-in"])
def test_one_model(client: FlaskClient, name: str) -> None:
    assert client.get(f"/v1/models/{name}").get_json()["id"] == name


def test_an_unknown_model(client: FlaskClient) -> None:
    answer = client.get("/v1/models/gpt-9")
    assert answer.status_code == 404
    error = answer.get_json()["error"]
    assert (error["type"], error["param"], error["code"]) == (
        "invalid_request_error",
        "model",
        "model_not_found",
    )
