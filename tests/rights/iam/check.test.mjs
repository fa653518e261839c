// The check itself finds what is wrong, and nothing where nothing is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findings, meet, names, together } from "./check.mjs";
import { typeOf } from "./data.mjs";

const IMAGES = "arn:aws:ec2:eu-west-1::image/*";
const SNAPSHOTS = "arn:aws:ec2:eu-west-1::snapshot/*";
const KEYS = "arn:aws:kms:eu-west-1:111122223333:key/*";
const GROUPS = "arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:*:autoScalingGroupName/*";

const allow = (Action, Resource, Condition) => ({ Sid: "One", Effect: "Allow", Action, Resource, ...(Condition && { Condition }) });
const trust = (Action, Condition, Principal = { AWS: "arn:aws:iam::999900001111:role/amiseal" }) => (
  { Sid: "One", Effect: "Allow", Principal, Action, Condition });

const RIGHT = [
  ["role", allow("ec2:DescribeImages", "*")],
  ["role", allow("ec2:DescribeImages", "*", { StringEquals: { "aws:RequestedRegion": "eu-west-1" } })],
  ["role", allow(["ec2:DeregisterImage", "ec2:DeleteSnapshot"], [IMAGES, SNAPSHOTS], { StringLike: { "aws:ResourceTag/a": "b" } })],
  ["role", allow("ec2:CopyImage", [IMAGES, SNAPSHOTS], { StringEqualsIfExists: { "ec2:Owner": "111122223333" } })],
  ["role", allow("ec2:DeregisterImage", IMAGES, { StringEquals: { "ec2:Owner": "${aws:PrincipalAccount}" } })],
  ["role", allow("ec2:RunInstances", "*", { ArnLike: { "ec2:LaunchTemplate": "arn:aws:ec2:*:*:launch-template/lt-1" } })],
  ["role", allow("kms:Decrypt", KEYS, { "ForAnyValue:StringEquals": { "kms:ResourceAliases": "alias/ami" } })],
  ["role", allow("autoscaling:CreateOrUpdateTags", GROUPS,
    { "ForAllValues:StringEquals": { "aws:TagKeys": "a" }, Null: { "aws:RequestTag/a": "false" } })],
  ["key", { ...allow("kms:CreateGrant", "*", { Bool: { "kms:GrantIsForAWSResource": "true" } }), Principal: { AWS: "*" } }],
  ["trust", trust("sts:AssumeRole", { StringEquals: { "sts:ExternalId": "platform" } })],
  ["trust", trust("sts:AssumeRoleWithWebIdentity", { StringEquals: { "example.org/id:aud": "sts.amazonaws.com" } },
    { Federated: "arn:aws:iam::999900001111:oidc-provider/example.org/id" })],
];

test("nothing is wrong with what is right", () => {
  for (const [kind, statement] of RIGHT) assert.deepEqual(findings(statement, kind), [], JSON.stringify(statement));
});

const WRONG = [
  [allow("ec2:CopyImages", "*"), /AWS knows no action ec2:CopyImages/],
  [allow("ec2:copyImage", "*"), /AWS knows no action ec2:copyImage/],
  [allow("ec3:CopyImage", "*"), /AWS knows no action ec3:CopyImage/],
  [allow("ec2:Copies*", "*"), /AWS knows no action ec2:Copies\*/],
  [allow("ec2:DescribeImages", IMAGES), /takes \*/],
  [allow("ec2:DeregisterImage", SNAPSHOTS), /ec2:DeregisterImage has no resource of the form/],
  [allow("ec2:DeregisterImage", [IMAGES, SNAPSHOTS]), /no action here has a resource of the form of .*snapshot/],
  [allow("ec2:DeregisterImage", "arn:aws:ec2:eu-west-1:111122223333:image/*"), /no resource of the form/],
  [allow("ec2:DescribeImages", "*", { StringEquals: { "ec2:Owner": "1" } }), /has no ec2:Owner: StringEquals never holds/],
  [allow("ec2:CopyImage", IMAGES, { StringEquals: { "aws:ResourceTag/a": "b" } }), /on image has no aws:ResourceTag\/a: .* never/],
  [allow("ec2:CopyImage", IMAGES, { StringLikeIfExists: { "aws:ResourceTag/a": "b" } }), /always holds/],
  [allow("ec2:CopyImage", IMAGES, { Null: { "aws:ResourceTag/a": "true" } }), /always holds/],
  [allow("ec2:CopyImage", [IMAGES, SNAPSHOTS], { StringEquals: { "ec2:Owner": "1" } }), /on snapshot has no ec2:Owner/],
  [allow("ssm:PutParameter", "*", { StringEquals: { "aws:ResourceTag/a": "b" } }), /has no aws:ResourceTag\/a/],
  [allow("ec2:DeregisterImage", IMAGES, { StringEquals: { "ssm:Overwrite": "true" } }), /AWS knows no ssm:Overwrite/],
  [allow("ec2:DeregisterImage", IMAGES, { StringEquals: { "aws:ResourceTags/a": "b" } }), /AWS knows no aws:ResourceTags/],
  [allow("kms:Decrypt", KEYS, { StringEquals: { "kms:ResourceAliases": "alias/ami" } }), /StringEquals is no operator/],
  [allow("kms:CreateGrant", KEYS, { StringEquals: { "kms:GrantIsForAWSResource": "true" } }), /does not compare/],
  [allow("kms:CreateGrant", KEYS, { Bool: { "kms:GrantIsForAWSResource": "yes" } }), /is asked for yes/],
  [allow("kms:CreateGrant", KEYS, { "ForAllValues:StringEquals": { "kms:ViaService": "ec2.eu-west-1.amazonaws.com" } }), /no operator/],
  [allow("ec2:DeregisterImage", IMAGES, { Null: { "aws:ResourceTag/a": "absent" } }), /asks .* for absent/],
  [allow("ec2:DeregisterImage", IMAGES, { StringEquals: { "ec2:Owner": "${aws:PrincipalOrgPaths}" } }), /is no variable/],
  [allow("ec2:DeregisterImage", IMAGES, { StringEquals: { "ec2:Owner": "${AWS::AccountId}" } }), /is no variable/],
  [allow("autoscaling:CreateOrUpdateTags", GROUPS, { "ForAllValues:StringEquals": { "aws:TagKeys": "a" } }), /where there is none/],
  [{ ...allow("ec2:DescribeImages", "*"), Sid: "look-at-images" }, /no name of a statement/],
];

test("what is wrong is found", () => {
  for (const [statement, expected] of WRONG) {
    const found = findings(statement, "role");
    assert.ok(found.some((one) => expected.test(one)), `${JSON.stringify(statement)}: ${found}`);
  }
});

test("a role's trust is asked of its actions too", () => {
  const both = trust(["sts:AssumeRole", "sts:TagSession"], { StringEquals: { "sts:ExternalId": "platform" } });
  assert.deepEqual(findings(both, "trust"), ["One: sts:TagSession on role has no sts:ExternalId: StringEquals never holds"]);
});

test("a launch takes all of its resources, in one statement or in several", () => {
  const of = (...kinds) => allow("ec2:RunInstances", kinds.map((kind) => `arn:aws:ec2:eu-west-1:*:${kind}/*`));
  const images = allow("ec2:RunInstances", IMAGES);
  const others = of("subnet", "security-group", "network-interface");
  assert.deepEqual(together([images, others]), ["ec2:RunInstances is allowed on no instance", "One is twice in a policy"]);
  assert.deepEqual(together([images, { ...others, Sid: "Two" }, { ...of("instance"), Sid: "Three" }]), []);
});

test("patterns meet where a text fits both", () => {
  for (const [left, right, expected] of [
    ["image/*", "image/*", true],
    ["image/ami-1", "image/*", true],
    ["*", "", true],
    ["image/*", "snapshot/*", false],
    ["image/*", "image-usage-report/*", false],
    ["*:group/*", "group:*:group/*", true],
    ["", "1", false],
  ]) {
    assert.equal(meet(left, right), expected, `${left} ${right}`);
    assert.equal(meet(right, left), expected, `${right} ${left}`);
  }
  assert.ok(names(IMAGES, typeOf("ec2", "image")) && !names(SNAPSHOTS, typeOf("ec2", "image")));
});
