"""Write the schemas of reports anew: ``python -m tests.regenerate_schema``."""

import json
from pathlib import Path

import anonymizer
from anonymizer.reportschema import schemas

if __name__ == "__main__":
    for name, schema in schemas().items():
        path = Path(anonymizer.__file__).with_name(name)
        path.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
