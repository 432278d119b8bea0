"""OpenAI's speech API, so that its many clients work with this service as they are."""
