// Policies that together take every statement, and with which options their rights are printed.

const ACCOUNT = "111122223333";
const HOME = "999900001111";

const EVERYTHING = `
  audit: {allowedSharing: []}
  guardrails:
    {ebsEncryptionByDefault: Enforce, imageBlockPublicAccess: Enforce, snapshotBlockPublicAccess: Enforce,
     allowedImages: {mode: Enforce, criteria: [{imageProviders: [amazon]}]}}
  consumers: {parameters: All, usageReports: Create}
  validation:
    {launch: {instanceType: t3.nano, subnetID: subnet-0a1b2c3d4e5f60718, securityGroupIDs: [sg-0a1b2c3d4e5f60718]},
     inspector: {maximumSeverity: High, scan: OnDemand}}
  promotion:
    {launchTemplates: Update, ssmParameters: Update, autoScalingGroups: Refresh, tags: Publish, seal: amiseal-verified,
     map: {ssmPrefix: /amiseal/images}}`;

// Without `audit`, what is moved takes rights of its own to read keys and settings.
const MOVING = `
  validation: {launch: {instanceType: t3.nano, subnetID: subnet-0a1b2c3d4e5f60718}}
  promotion: {launchTemplates: Update, ssmParameters: Update, autoScalingGroups: Update}`;

// A region of each partition, and another one where there is one.
const PARTITIONS = {
  aws: ["eu-west-1", "us-east-1"],
  "aws-cn": ["cn-north-1", "cn-northwest-1"],
  "aws-us-gov": ["us-gov-west-1", "us-gov-east-1"],
  "aws-eusc": ["eusc-de-east-1"],
  "aws-iso": ["us-iso-east-1", "us-iso-west-1"],
  "aws-iso-b": ["us-isob-east-1"],
  "aws-iso-e": ["eu-isoe-west-1"],
  "aws-iso-f": ["us-isof-south-1"],
};

function policy(name, mode, defaults, accounts, more) {
  const head = `apiVersion: amiseal.dev/v1alpha1\nkind: AMIEncryptionPolicy\nmetadata: {name: ${name}}\n`;
  return `${head}spec:\n  mode: ${mode}\n  defaults: {${defaults}}\n${accounts}${more}\n`;
}

const inRegions = (regions) => `regions: [${regions.join(", ")}]`;
const accounts = (...of) => `  accounts: [${of.join(", ")}]`;
const account = (id, regions) => `{accountID: "${id}", ${inRegions(regions)}}`;
const byAlias = (region) => `{name: ${region}, kmsKeyID: alias/ami}`;
const byId = (region) => `{name: ${region}, kmsKeyID: 1234abcd-12ab-34cd-56ef-1234567890ab}`;

const MULTI_REGION = "mrk-1234abcd12ab34cd56ef1234567890ab";
const ROLE = "roleName: amiseal, externalID: platform";

// What all of a partition are printed with.
const options = (partition, region) => [
  "--controller", `arn:${partition}:iam::${HOME}:role/amiseal-controller`,
  "--trusted", `arn:${partition}:iam::${HOME}:role/engineer`,
  "--launcher", "444455556666",
  "--launcher", `arn:${partition}:iam::${ACCOUNT}:role/web`,
  "--launch-template", "lt-0a1b2c3d4e5f60718",
  "--instance-role", `arn:${partition}:iam::${ACCOUNT}:role/web`,
  "--event-queue", `arn:${partition}:sqs:${region}:${HOME}:amiseal`,
];

// What is printed: a name, the partition, the policy, its options, and whether it may change anything.
function ofPartition(partition, [region, other]) {
  const several = [region, ...(other ? [other] : [])];
  const print = (name, mode, defaults, of, more, ...besides) => ({
    name: `${partition}: ${name}`,
    partition,
    region,
    reads: mode === "Audit",
    policy: policy("production", mode, defaults, of, more),
    options: [...options(partition, region), ...besides],
  });
  const one = accounts(account(ACCOUNT, [byAlias(region)]));
  const key = `arn:${partition}:kms:${region}:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
  const oidc = ["--trust", "irsa", "--oidc-provider", `oidc.eks.${region}.amazonaws.com/id/EXAMPLE`];
  const pods = ["--trust", "pod-identity", "--cluster", `arn:${partition}:eks:${region}:${HOME}:cluster/platform`];
  const home = `{accountID: "${HOME}", ${inRegions([byAlias(region)])}}`;
  const listed = (from) => `  accountsFrom: {${from}}`;
  const everywhere = `${ROLE}, ${inRegions(several.map(byAlias))}`;
  const role = `roleARN: "arn:${partition}:iam::${ACCOUNT}:role/amiseal", externalID: platform`;
  return [
    print("everything", "Enforce", ROLE, one, EVERYTHING),
    print("everything in several regions", "Enforce", ROLE, accounts(account(ACCOUNT, several.map(byAlias))), EVERYTHING),
    print("everything in two accounts, in each by a key of its own", "Enforce", ROLE,
      accounts(account(ACCOUNT, several.map(byId)), account("222233334444", several.map(byId))), EVERYTHING),
    print("everything by another account's key", "Enforce", ROLE,
      accounts(account(ACCOUNT, [`{name: ${region}, kmsKeyID: "${key}"}`])), EVERYTHING),
    print("everything on copies of others too", "Enforce", ROLE, one, EVERYTHING, "--copies-of-others", ...pods),
    print("everything without a role", "Enforce", "", accounts(home), EVERYTHING, ...oidc),
    print("what is moved", "Enforce", ROLE, one, MOVING, ...oidc),
    print("copies alone, without an external ID", "Enforce", "roleName: amiseal", one, "\n  consumers: {read: false}"),
    print("a report", "Audit", ROLE, one, EVERYTHING),
    print("nothing but images", "Audit", ROLE, one, "\n  consumers: {read: false}"),
    print("all regions", "Enforce", "", accounts(`{accountID: "${ACCOUNT}", ${role}, allRegions: {kmsKeyID: alias/ami}}`), EVERYTHING),
    print("all regions beside one that is listed", "Enforce", ROLE,
      accounts(`{accountID: "${ACCOUNT}", ${inRegions([byAlias(region)])}, allRegions: {kmsKeyID: ${MULTI_REGION}}}`), EVERYTHING),
    print("all regions but some", "Enforce", "",
      accounts(`{accountID: "${ACCOUNT}", ${role}, allRegions: {kmsKeyID: alias/ami, exclude: [${several.join(", ")}]}}`), EVERYTHING),
    print("all accounts of an organization", "Enforce", everywhere, listed("organization: {}"), EVERYTHING),
    print("accounts of an organizational unit, which another role lists", "Audit", everywhere,
      listed(`organizationalUnits: [ou-ab12-c3d4e5f6], roleARN: "arn:${partition}:iam::${HOME}:role/lister"`), ""),
  ];
}

export const PRINTED = Object.entries(PARTITIONS).flatMap(([partition, regions]) => ofPartition(partition, regions));
