// What AWS's data and the linter have against the rights and is not so: each with the reason, and where AWS says it.

const onDemand = {
  why: "on-demand scans are newer than the Service Authorization Reference has them",
  source: "the service model of Amazon Inspector (inspector2, 2020-06-08) in AWS's SDKs has these operations by these names",
};

export const EXCEPTIONS = ["StartOnDemandScan", "GetOnDemandScanStatus", "ListOnDemandScans"].map((operation) => ({
  what: `AWS knows no action inspector2:${operation}`,
  ...onDemand,
}));

// The linter's data lacks the same actions.
export const LINT_EXCEPTIONS = ["startondemandscan", "getondemandscanstatus", "listondemandscans"].map((operation) => ({
  rule: "W3037",
  what: `'${operation}' is not one of`,
  ...onDemand,
}));

// Operations that are called otherwise than the action that allows them.
export const ACTIONS = {
  "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
};

// What no exception is for, and which exceptions nothing has needed.
export function excepting(exceptions, matches) {
  const used = new Set();
  return {
    left: (all) => all.filter((one) => {
      const found = exceptions.filter((exception) => matches(one, exception));
      found.forEach((exception) => used.add(exception));
      return found.length === 0;
    }),
    unused: () => exceptions.filter((exception) => !used.has(exception)).map((exception) => exception.what),
  };
}
