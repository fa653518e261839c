// What is wrong with statements, as AWS's Service Authorization Reference has actions, resource types and condition keys.
import { actionOf, actionsLike, isAmong, isGlobal, isNamedByActions, serviceOf, typeOf, typeOfKey } from "./data.mjs";

export const list = (value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

// Whether some text fits both patterns. A text in place of `*` may be empty.
export function meet(left, right) {
  const known = new Map();
  const at = (i, j) => {
    const key = i * (right.length + 1) + j;
    if (!known.has(key)) known.set(key, go(i, j));
    return known.get(key);
  };
  const go = (i, j) => {
    if (i === left.length && j === right.length) return true;
    if (left[i] === "*") return at(i + 1, j) || (j < right.length && at(i, j + 1));
    if (right[j] === "*") return at(i, j + 1) || (i < left.length && at(i + 1, j));
    return i < left.length && j < right.length && left[i] === right[j] && at(i + 1, j + 1);
  };
  return at(0, 0);
}

const parts = (arn) => {
  const [, , ...rest] = arn.split(":");
  return [arn.split(":")[1], ...rest.slice(0, 3), rest.slice(3).join(":")];
};

// Whether an ARN, or a pattern of ARNs, can name a resource of a type.
export function names(arn, type) {
  const formats = parts(type.arn.replace(/\$\{[^}]*\}/g, "*"));
  return arn.startsWith("arn:") && parts(arn).every((part, index) => meet(part, formats[index]));
}

// The resource types of an action that a statement is about. In the policy of a key `*` is that key, and a role's trust is about the role.
function typesOf(statement, action, service, kind) {
  const types = action.resourceTypes.map((type) => ({ ...type, ...typeOf(service, type.name), named: type.conditionKeys }));
  if (kind === "trust" || kind === "key") return types;
  const resources = list(statement.Resource);
  return types.filter((type) => resources.some((resource) => resource === "*" || names(resource, type)));
}

const OPERATORS = {
  String: /^String(Not)?(Equals|EqualsIgnoreCase|Like)$/,
  ARN: /^(Arn|String)(Not)?(Equals|Like)$/,
  Bool: /^Bool$/,
  Numeric: /^Numeric/,
  Date: /^Date/,
  IPAddress: /^(Not)?IpAddress$/,
};

// What is wrong with an operator, or with its values, for a key of this type.
function ofOperator(operator, key, values, type) {
  const [, over, name, exists] = operator.match(/^(ForAllValues:|ForAnyValue:)?(.*?)(IfExists)?$/);
  const isFlag = (value) => ["true", "false"].includes(String(value));
  if (name === "Null") return over || exists || !values.every(isFlag) ? [`${operator} asks ${key} for ${values}`] : [];
  const [, several, one] = type.match(/^(ArrayOf)?(.*)$/);
  const wrong = [];
  if (!OPERATORS[one]?.test(name)) wrong.push(`${operator} does not compare ${key}, which is of type ${type}`);
  if (Boolean(several) !== Boolean(over)) wrong.push(`${operator} is no operator for ${key}, which is of type ${type}`);
  if (one === "Bool" && !values.every(isFlag)) wrong.push(`${key} is asked for ${values}`);
  return wrong;
}

// Whether a condition holds where AWS gives no such key.
function holdsWithout(operator, values) {
  return /IfExists$|^ForAllValues:|Not(Equals|Like|IpAddress)/.test(operator) || (operator === "Null" && values.includes("true"));
}

// The key of a token of a web identity is named after its provider, which no reference lists.
function isOfProvider(statement, key) {
  const providers = list(statement.Principal?.Federated).map((arn) => arn.split(":oidc-provider/")[1]);
  return providers.some((provider) => [":aud", ":sub"].some((claim) => key === provider + claim));
}

// What is wrong with a key for one action.
function ofKey(statement, name, action, types, operator, key, values) {
  const service = serviceOf(name);
  if (isOfProvider(statement, key) && name === "sts:AssumeRoleWithWebIdentity") return ofOperator(operator, key, values, "String");
  const type = typeOfKey(service, key);
  if (!type) return [`AWS knows no ${key} for ${name}`];
  const ofTable = !isNamedByActions(service, key);
  const has = (one) => isAmong(one.named, key) || (ofTable && isAmong(one.conditionKeys, key));
  const always = isGlobal(key) || isAmong(action.conditionKeys, key);
  // Who says `*` means what the action cannot do without.
  const isAll = list(statement.Resource).includes("*") && types.some((one) => one.required);
  const meant = isAll ? types.filter((one) => one.required) : types;
  const without = always ? [] : meant.filter((one) => !has(one)).map((one) => one.name);
  const isNever = !always && without.length === meant.length;
  const what = without.length > 0 ? ` on ${without.join(", ")}` : "";
  const wrong = ofOperator(operator, key, values, type);
  if (isNever || (without.length > 0 && !/IfExists$/.test(operator))) {
    const so = holdsWithout(operator, values) ? "always holds" : "never holds";
    wrong.push(`${name}${what} has no ${key}: ${operator} ${so}`);
  }
  return wrong;
}

// What is wrong with an action of a statement.
function ofAction(statement, name, kind) {
  const service = serviceOf(name);
  if (name.includes("*")) {
    const known = actionsLike(name);
    return known.length > 0 ? [] : [`AWS knows no action ${name}`];
  }
  const action = actionOf(name);
  if (!action) return [`AWS knows no action ${name}`];
  const types = typesOf(statement, action, service, kind);
  const wrong = [];
  const resources = list(statement.Resource);
  if (kind !== "trust" && action.resourceTypes.length === 0 && !resources.includes("*")) {
    wrong.push(`${name} has no resources, and so takes *`);
  }
  if (action.resourceTypes.length > 0 && types.length === 0) wrong.push(`${name} has no resource of the form of ${resources}`);
  for (const [operator, keys] of Object.entries(statement.Condition ?? {})) {
    for (const [key, values] of Object.entries(keys)) {
      wrong.push(...ofKey(statement, name, action, types, operator, key, list(values).map(String)));
    }
  }
  return wrong;
}

// Resources that no action of the statement has.
function ofResources(statement, kind) {
  if (kind === "trust" || kind === "key") return [];
  const types = list(statement.Action).flatMap((name) => {
    const actions = name.includes("*") ? actionsLike(name).map((one) => serviceOf(name) + ":" + one) : [name];
    return actions.flatMap((one) => (actionOf(one)?.resourceTypes ?? []).map((type) => typeOf(serviceOf(one), type.name)));
  });
  const resources = list(statement.Resource).filter((resource) => resource !== "*");
  return resources.filter((resource) => !types.some((type) => names(resource, type)))
    .map((resource) => `no action here has a resource of the form of ${resource}`);
}

// All values of several have to be so where there are any: somebody who gives none may do it, unless that is asked too.
function ofAbsence(statement) {
  const conditions = statement.Condition ?? {};
  const asked = Object.entries(conditions.Null ?? {}).filter(([, values]) => list(values).includes("false")).map(([key]) => key);
  const isAsked = (key) => asked.some((one) => one === key || (key === "aws:TagKeys" && one.startsWith("aws:RequestTag/")));
  const all = Object.entries(conditions).filter(([operator]) => operator.startsWith("ForAllValues:"));
  const open = all.flatMap(([, keys]) => Object.keys(keys)).filter((key) => !isAsked(key));
  return statement.Effect === "Allow" ? open.map((key) => `ForAllValues of ${key} holds where there is none`) : [];
}

// Variables in values and resources: such as are in every request.
function ofVariables(statement) {
  const texts = JSON.stringify([statement.Resource, statement.Condition]).matchAll(/\$\{([^}]*)\}/g);
  const unknown = [...texts].map(([, name]) => name).filter((name) => !isGlobal(name) || typeOfKey("sts", name).startsWith("ArrayOf"));
  return unknown.map((name) => `\${${name}} is no variable`);
}

// What is wrong with a statement of the policy of a key, of a role's trust, or of any other kind, without what is excepted.
export function findings(statement, kind) {
  const wrong = list(statement.Action).flatMap((name) => ofAction(statement, name, kind));
  wrong.push(...ofResources(statement, kind), ...ofAbsence(statement), ...ofVariables(statement));
  if (!/^[A-Za-z0-9]*$/.test(statement.Sid ?? "")) wrong.push(`${statement.Sid} is no name of a statement`);
  return [...new Set(wrong)].map((what) => `${statement.Sid ?? "a statement"}: ${what}`);
}

// What is wrong with all statements of one identity together: each resource that a call cannot do without has to be in one of them.
export function together(statements) {
  const allowed = statements.filter((statement) => statement.Effect === "Allow");
  const granted = new Set(allowed.flatMap((statement) => list(statement.Action)));
  const wrong = [];
  for (const name of granted) {
    const action = actionOf(name);
    const taken = allowed.filter((statement) => list(statement.Action).includes(name))
      .flatMap((statement) => (action ? typesOf(statement, action, serviceOf(name), "role") : []))
      .map((type) => type.name);
    const missing = (action?.resourceTypes ?? []).filter((type) => type.required && !taken.includes(type.name));
    wrong.push(...missing.map((type) => `${name} is allowed on no ${type.name}`));
  }
  const sids = statements.map((statement) => statement.Sid);
  wrong.push(...sids.filter((sid, index) => sid && sids.indexOf(sid) !== index).map((sid) => `${sid} is twice in a policy`));
  return wrong;
}
