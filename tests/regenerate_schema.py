"""Write the schema of reports anew: ``python -m tests.regenerate_schema``."""

import json
from pathlib import Path

import anonymizer
from anonymizer.reportschema import schema

if __name__ == "__main__":
    path = Path(anonymizer.__file__).with_name("report.schema.json")
    path.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
