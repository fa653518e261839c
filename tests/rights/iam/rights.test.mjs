// Holds what `amiseal iam-policy` prints, and what the documents have, against AWS's own data and a linter.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findings, list, together } from "./check.mjs";
import { actionOf, require } from "./data.mjs";
import { ACTIONS, EXCEPTIONS, LINT_EXCEPTIONS, excepting } from "./exceptions.mjs";
import { PRINTED } from "./policies.mjs";
import { around, kindOf, statementsOf } from "./templates.mjs";

const yaml = require("yaml");
const text = (name) => readFileSync(fileURLToPath(new URL("../../../" + name, import.meta.url)), "utf8");
const known = excepting(EXCEPTIONS, (found, exception) => found.endsWith(exception.what));

function print(one, ...more) {
  const { AMISEAL_BIN } = process.env;
  return execFileSync(AMISEAL_BIN, ["iam-policy", "-f", "-", ...one.options, ...more],
    { input: one.policy, encoding: "utf8", stdio: "pipe" });
}

// All that is printed of each, as JSON: the statements of each identity, of each trust and of each key.
const printed = PRINTED.map((one) => {
  const rights = JSON.parse(print(one));
  const accounts = rights.accounts ?? [];
  const identities = [rights.controller, ...accounts].filter(Boolean);
  const ofPolicies = (identity) => (identity.permissionsPolicies ?? []).flatMap((named) => named.policy.Statement);
  return {
    ...one,
    rights: accounts.map(ofPolicies),
    controller: rights.controller ? ofPolicies(rights.controller) : [],
    trust: identities.flatMap((identity) => (identity.trustPolicy ? [identity.trustPolicy.Statement] : [])),
    keys: accounts.flatMap((account) => (account.keys ?? []).map((key) => key.statements)),
  };
});
const policiesOf = (one) => [...one.rights, one.controller, ...one.trust, ...one.keys].filter((policy) => policy.length > 0);

// What is wrong with statements. Most are in several policies.
const judged = new Map();
const wrongIn = (statements) => known.left(statements.flatMap((statement) => {
  const key = JSON.stringify(statement);
  if (!judged.has(key)) judged.set(key, findings(statement, kindOf(statement)));
  return judged.get(key);
}));

for (const partition of new Set(printed.map((one) => one.partition))) {
  test(`${partition}: each statement is as AWS has its actions, resources and conditions`, () => {
    const all = printed.filter((one) => one.partition === partition);
    const wrong = all.map((one) => [one.name, wrongIn(policiesOf(one).flat())]).filter(([, found]) => found.length > 0);
    assert.deepEqual(wrong, []);
  });
}

test("each call has all the resources that it cannot do without, and no policy has two statements of one name", () => {
  const wrong = printed.flatMap((one) => [...one.rights, one.controller].flatMap((statements) =>
    together(statements).map((what) => `${one.name}: ${what}`)));
  assert.deepEqual(wrong, []);
});

test("ARNs are of the partition of their policy", () => {
  for (const one of printed) {
    const arns = JSON.stringify(policiesOf(one)).match(/arn:[^:"]*/g);
    assert.deepEqual([...new Set(arns)], ["arn:" + one.partition], one.name);
  }
});

test("a policy that only looks takes nothing that AWS says changes anything", () => {
  const looks = printed.filter((one) => one.reads);
  assert.ok(looks.length > 0);
  for (const one of looks) {
    const actions = one.rights.flat().flatMap((statement) => list(statement.Action));
    const changing = actions.filter((name) => !/^(List|Read)$/.test(actionOf(name)?.accessLevel));
    assert.deepEqual(changing, [], one.name);
  }
});

test("the policies here take every statement that there is", () => {
  const page = text("docs/rights.md").split("<!-- statements -->")[1].split("<!-- end of statements -->")[0];
  const all = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, sid]) => sid);
  assert.ok(all.length > 50, String(all.length));
  const taken = new Set(printed.flatMap((one) => policiesOf(one).flat().map((statement) => statement.Sid)));
  assert.deepEqual(all.filter((sid) => !taken.has(sid)), []);
});

test("a configuration of Terraform has the same statements", () => {
  for (const one of printed) {
    // What is JSON in it begins a template by `$${` where JSON has `${`.
    const encoded = [...print(one, "--as", "terraform").matchAll(/jsonencode\((\{[\s\S]*?\n {2}\})\)/g)];
    const policies = encoded.map(([, json]) => JSON.parse(json.replaceAll("$${", "${")));
    const texts = (statements) => new Set(statements.map((statement) => JSON.stringify(statement)));
    assert.deepEqual(texts(policies.flatMap((policy) => policy.Statement)), texts(policiesOf(one).flat()), one.name);
  }
});

// A template is for one role that all accounts have.
const template = (one) => JSON.parse(print(one, "--as", "cloudformation"));
const hasRole = (one) => one.policy.includes("roleName") && !one.policy.includes("roleARN");
const templates = printed.filter(hasRole).map((one) => [one.name, template(one)]);

test("the statements of templates are so too", () => {
  assert.ok(templates.length > 50, String(templates.length));
  for (const [name, one] of templates) assert.deepEqual(wrongIn(statementsOf(one)), [], name);
});

// Policies in documents: pages have them as JSON.
const PAGES = ["guide", "report", "guardrails", "security"].map((name) => `docs/${name}.md`);
const pages = PAGES.flatMap((page) => {
  const blocks = [...text(page).matchAll(/^```json\n([\s\S]*?)^```/gm)].map(([, json]) => json);
  return blocks.filter((json) => json.includes('"Effect"')).map((json) => {
    const policy = JSON.parse(json);
    return [page, policy.Statement ? list(policy.Statement) : [policy]];
  });
});
const EVENTS = "docs/events/cloudformation.yaml";
const events = yaml.parse(text(EVENTS));

for (const [page, statements] of [...pages, [EVENTS, statementsOf(events)]]) {
  test(`${page}: the statements from ${statements[0].Sid ?? "the first"} on are so too`, () => {
    assert.deepEqual(wrongIn(statements), []);
  });
}

test("each page has policies", () => {
  assert.deepEqual(PAGES.filter((page) => !pages.some(([name]) => name === page)), []);
});

test("AWS has each operation that amiseal calls", () => {
  const rows = [...text("src/domain/operation.rs").matchAll(/^ {4}(\w+):(\w+) +(?:reads|writes) /gm)];
  const names = rows.map(([, service, operation]) => `${service}:${operation}`);
  assert.ok(names.length > 70, String(names.length));
  const missing = names.map((name) => ACTIONS[name] ?? name).filter((name) => !actionOf(name));
  assert.deepEqual(known.left(missing.map((name) => `AWS knows no action ${name}`)), []);
  assert.deepEqual(Object.keys(ACTIONS).filter((name) => !names.includes(name) || actionOf(name)), [], "needless exceptions");
});

test("the linter has nothing against templates and policies", () => {
  const directory = mkdtempSync(path.join(os.tmpdir(), "amiseal-iam-"));
  const lint = excepting(LINT_EXCEPTIONS, (found, exception) =>
    found.Rule.Id === exception.rule && found.Message.includes(exception.what));
  try {
    // The linter has no opinion on partitions beside that of the region, and takes a while: one of each kind is enough for it.
    const ofAws = ([name]) => name.startsWith("aws: ");
    const alone = printed.filter((one) => one.partition === "aws").flatMap(policiesOf).map((policy) => ["alone", around(policy)]);
    const all = [...templates.filter(ofAws), ...alone, ...pages.map(([page, statements]) => [page, around(statements)])];
    const different = [...new Set(all.map(([, one]) => JSON.stringify(one)))];
    const files = different.map((json, index) => {
      const file = path.join(directory, `${index}.json`);
      writeFileSync(file, json);
      return file;
    });
    files.push(fileURLToPath(new URL("../../../" + EVENTS, import.meta.url)));
    // I3011 would keep the queue when its stack is deleted: what it holds is of no use then.
    const options = ["--include-checks", "I", "--ignore-checks", "I3011", "--regions", "eu-west-1", "--format", "json", "--", ...files];
    const ran = spawnSync(process.env.CFN_LINT, options, { encoding: "utf8", maxBuffer: 1 << 28 });
    assert.equal(ran.error, undefined);
    assert.equal(ran.stderr, "");
    const left = lint.left(JSON.parse(ran.stdout));
    assert.deepEqual(left.map((found) => `${found.Rule.Id} ${found.Message} ${readFileSync(found.Filename, "utf8").slice(0, 200)}`), []);
    assert.deepEqual(lint.unused(), [], "needless exceptions");
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("no exception is needless", () => {
  assert.deepEqual(known.unused(), []);
});
