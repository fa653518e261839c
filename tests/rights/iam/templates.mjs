// Statements in templates, and templates for the linter around policies that are printed by themselves.
import { list } from "./check.mjs";

// Of which kind a statement is.
export function kindOf(statement) {
  if (!statement.Principal) return "role";
  const services = new Set(list(statement.Action).map((action) => action.split(":")[0]));
  if (statement.Resource === undefined) return "trust";
  return services.size === 1 && services.has("kms") ? "key" : "resource";
}

const ACCOUNT = "111122223333";
const ARNS = {
  "AWS::SQS::Queue": `arn:aws:sqs:eu-west-1:${ACCOUNT}:amiseal`,
  "AWS::Events::EventBus": `arn:aws:events:eu-west-1:${ACCOUNT}:event-bus/amiseal`,
  "AWS::Events::Rule": `arn:aws:events:eu-west-1:${ACCOUNT}:rule/amiseal`,
};
const PARAMETERS = {
  BusArn: ARNS["AWS::Events::EventBus"],
  OrganizationId: "o-a1b2c3d4e5",
  TrustedPrincipals: `arn:aws:iam::${ACCOUNT}:role/amiseal`,
};

// A value of a template as CloudFormation fills it in; undefined for no value.
function filledIn(value, resources) {
  if (Array.isArray(value)) return value.map((one) => filledIn(one, resources)).filter((one) => one !== undefined);
  if (value === null || typeof value !== "object") return value;
  const [name] = Object.keys(value);
  if (name === "Ref") {
    if (value.Ref === "AWS::NoValue") return undefined;
    if (!(value.Ref in PARAMETERS)) throw new Error(`nothing here fills in the parameter ${value.Ref}`);
    return PARAMETERS[value.Ref];
  }
  if (name === "Fn::GetAtt") return ARNS[resources[value[name][0]].Type];
  if (name === "Fn::If") return filledIn(value[name][1], resources);
  if (name === "Fn::Sub") return value[name].replaceAll("${AWS::Partition}", "aws").replaceAll("${AWS::AccountId}", ACCOUNT);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, filledIn(one, resources)]));
}

// All statements in a template.
export function statementsOf(template) {
  const statements = [];
  const walk = (value) => {
    if (value === null || typeof value !== "object") return;
    if (value.Effect) statements.push(filledIn(value, template.Resources));
    else Object.values(value).forEach(walk);
  };
  walk(template.Resources);
  return statements;
}

// A template that has such a policy where CloudFormation takes one.
export function around(statements) {
  const kind = kindOf(statements[0]);
  const policy = { Version: "2012-10-17", Statement: statements };
  const resources = {
    role: { Type: "AWS::IAM::ManagedPolicy", Properties: { PolicyDocument: policy } },
    trust: { Type: "AWS::IAM::Role", Properties: { AssumeRolePolicyDocument: policy } },
    key: {
      Type: "AWS::KMS::Key",
      DeletionPolicy: "Retain",
      UpdateReplacePolicy: "Retain",
      Properties: { EnableKeyRotation: true, KeyPolicy: policy },
    },
  };
  return { AWSTemplateFormatVersion: "2010-09-09", Resources: { Policy: resources[kind] } };
}
