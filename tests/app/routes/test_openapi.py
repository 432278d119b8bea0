from __future__ import annotations

from typing import Any

import pytest

from app.routes.openai.schema import SpeechBody
from app.routes.openapi import openapi_document
from app.routes.schemas import StreamRequest, TTSRequest


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document(TTSRequest(77), StreamRequest(77), SpeechBody(77), with_auth=False)


def test_it_is_openapi_3_1_with_all_routes(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {
        "/tts",
        "/tts/stream",
        "/v1/audio/voices",
        "/v1/audio/voices/{name}",
        "/v1/audio/voices/{name}/sample",
        "/v1/audio/speech",
        "/v1/models",
        "/v1/models/{name}",
        "/health",
        "/health/live",
        "/metrics",
    }


def test_limits_come_from_the_schema(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["TTSRequest"]
    fields = schema["properties"]
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"text", "spk_audio"}
    assert (fields["text"]["minLength"], fields["text"]["maxLength"]) == (1, 77)
    assert (fields["emo_alpha"]["minimum"], fields["emo_alpha"]["maximum"]) == (0, 1)
    assert fields["emo_alpha"]["default"] == 1.0
    assert fields["emo_audio"]["type"] == ["string", "null"]
    assert fields["temperature"]["minimum"] == fields["repetition_penalty"]["minimum"] == 0.01
    assert fields["top_p"]["exclusiveMinimum"] == 0
    assert fields["seed"]["type"] == ["integer", "null"]
    assert "Above 1 the voice's own emotion is subtracted" in fields["emo_vector"]["description"]
    assert fields["emo_vector"]["minItems"] == fields["emo_vector"]["maxItems"] == 8


def test_the_sentences_of_the_contract(document: dict[str, Any]) -> None:
    answers = document["paths"]["/tts"]["post"]["responses"]
    told = {code: answer["description"] for code, answer in answers.items()}
    assert told["400"] == "Invalid audio input format"
    assert told["404"] == "Unknown voice"
    assert told["408"] == "Download timeout"
    assert told["500"] == "TTS inference failed"
    assert told["503"] == "Model not loaded"
    assert "401" not in told


def test_a_body_may_come_too_late_wherever_there_is_one(document: dict[str, Any]) -> None:
    operations = [methods[name] for methods in document["paths"].values() for name in methods]
    with_body = [found for found in operations if "requestBody" in found]
    assert len(with_body) == 4
    assert all("408" in found["responses"] for found in with_body)


def test_keys_are_documented_where_they_are_needed() -> None:
    document = openapi_document(TTSRequest(9), StreamRequest(9), SpeechBody(9), with_auth=True)
    operation = document["paths"]["/tts"]["post"]
    assert operation["security"] == [{"bearer": []}, {"key": []}]
    assert "401" in operation["responses"]
    # Who guesses is refused, even where nothing else is limited.
    assert {"401", "429"} <= set(document["paths"]["/metrics"]["get"]["responses"])
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}


def test_forms_may_carry_files(document: dict[str, Any]) -> None:
    form = document["components"]["schemas"]["TTSForm"]["properties"]
    assert form["spk_audio"]["format"] == "binary"
    assert form["text"]["maxLength"] == 77


def test_schemas_do_not_share_their_limits() -> None:
    short, long = TTSRequest(3), TTSRequest(30)
    body = {"text": "1234", "spk_audio": "x"}
    assert "text" in short.validate(body)
    assert long.validate(body) == {}
