// Holds `amiseal report --output sarif` against the schema of SARIF 2.1.0.
import assert from "node:assert/strict";
import { test } from "node:test";
import { golden, require } from "./modules.mjs";

const Ajv = require("ajv");
const ajv = new Ajv({ schemaId: "auto", allErrors: true });
ajv.addMetaSchema(require("ajv/lib/refs/json-schema-draft-04.json"));
const valid = ajv.compile(require("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"));

for (const name of ["report.sarif", "since.sarif", "unread.sarif"]) {
  test(name + " is valid SARIF", () => {
    const log = JSON.parse(golden(name));
    assert.ok(valid(log), JSON.stringify(valid.errors, null, 1));
    assert.ok(log.runs[0].results.length > 1);
  });
}

test("a log with something that SARIF does not know is refused", () => {
  const log = JSON.parse(golden("report.sarif"));
  log.runs[0].results[0].level = "high";
  assert.equal(valid(log), false);
});

test("what could not be read is told", () => {
  const [invocation] = JSON.parse(golden("unread.sarif")).runs[0].invocations;
  assert.equal(invocation.executionSuccessful, false);
  assert.deepEqual(invocation.toolExecutionNotifications.map((told) => told.level), ["error", "warning"]);
});

test("what code scanning asks for is there", () => {
  const { tool, results } = JSON.parse(golden("since.sarif")).runs[0];
  for (const rule of tool.driver.rules) {
    const score = Number(rule.properties["security-severity"]);
    const word = score >= 9 ? "critical" : score >= 7 ? "high" : score >= 4 ? "medium" : "low";
    assert.equal(word, rule.properties.severity);
    assert.ok(rule.properties.tags.includes("security"));
  }
  for (const result of results) {
    assert.ok(["new", "unchanged"].includes(result.baselineState));
    assert.ok(result.locations[0].physicalLocation.region.startLine > 0);
    assert.match(result.partialFingerprints.primaryLocationLineHash, /^[0-9a-f]{32}$/);
  }
});
