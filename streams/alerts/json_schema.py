"""The JSON Schema of rule files, for editors; `schemas/alert-rules/rules.schema.json` holds the schema.

A change of the models needs `python -m streams.alerts.json_schema > schemas/alert-rules/rules.schema.json`.
"""

import json

from streams.alerts.rules import Rules


def json_schema() -> str:
    """Return the JSON Schema of a rule file, as text; made from the models."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Rules.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(json_schema(), end="")  # noqa: T201 - the text for the file
