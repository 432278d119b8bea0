"""YAML tables of words, as people write them by hand."""

from __future__ import annotations

import re

import yaml


class _TextLoader(yaml.SafeLoader):
    """Takes every scalar as it is written.

    By YAML 1.1 ``NO`` is false, ``on`` is true and ``007`` is 7, which no one means who lists
    words.  Only where nothing is written there is None.
    """

    yaml_implicit_resolvers = {"": [("tag:yaml.org,2002:null", re.compile("^$"))]}  # noqa: RUF012


def load_texts(text: str) -> object:
    """The document in `text`: mappings and lists of texts, None where nothing is written.

    Raises:
        yaml.YAMLError, ValueError, RecursionError: it is no YAML, or asks for other types by a tag.
    """
    data: object = yaml.load(text, Loader=_TextLoader)  # noqa: S506 - a SafeLoader
    return data
