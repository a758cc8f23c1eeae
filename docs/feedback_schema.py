"""Writes docs/feedback.schema.json from the code. Usage: python -m docs.feedback_schema"""

import json
from pathlib import Path

from chatcli.feedback.codec import json_schema

FILE = Path(__file__).with_name("feedback.schema.json")

if __name__ == "__main__":
    FILE.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
