//! The rights that `amiseal iam-policy` prints, against the simulator's IAM: nothing of them can be left out, and they allow nothing
//! beyond what the policy means. Neither a cluster nor the controller takes part.

mod conditions;
mod documents;
mod hostile;
mod minimal;
mod page;
mod stage;
mod uses;
