"""Holds the records of `amiseal report --output ocsf` against the schemas of OCSF, as they are compiled upstream."""

import copy
import json
import pathlib
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import get_ocsf_schema
from ocsf_json_schema.embedded import OcsfJsonSchemaEmbedded

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
# The version that the records name, and later ones, which only add to it.
VERSIONS = ["1.5.0", "1.6.0", "1.7.0"]


def validator(version):
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version)).get_class_schema("compliance_finding", ["cloud"])
    return Draft202012Validator(schema)


def mistakes(judge, record):
    found = [f"{error.json_path}: {error.message[:300]}" for error in judge.iter_errors(record)]
    if record["type_uid"] != record["class_uid"] * 100 + record["activity_id"]:
        found.append("type_uid is not of class and activity")
    return found


def main():
    files = sorted(GOLDEN.glob("*.ocsf.jsonl"))
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(files) >= 2 and len(records) >= 5, (files, len(records))
    assert {record["metadata"]["version"] for record in records} == {VERSIONS[0]}
    failed = 0
    for version in VERSIONS:
        judge = validator(version)
        for record in records:
            for mistake in mistakes(judge, record):
                failed += 1
                print(f"{version}: {record['finding_info']['uid']}: {mistake}")
        # A judge that finds nothing wrong with anything is none.
        for key, value in [("severity_id", "high"), ("nonsense", 1), ("finding_info", {})]:
            wrong = copy.deepcopy(records[0])
            wrong[key] = value
            assert mistakes(judge, wrong), (version, key)
    print(f"OCSF: {len(records)} records under {', '.join(VERSIONS)}: {failed} mistakes")
    return 1 if failed else 0


sys.exit(main())
