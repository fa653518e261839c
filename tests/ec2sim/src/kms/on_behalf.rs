//! What EC2 asks KMS for on behalf of whoever calls it: whether that is allowed is for the caller's policies to say.

use super::{aliases, arn_of};
use crate::engine::{Request, State};
use crate::iam::Ask;
use crate::model::Key;

/// What reading under a key takes of what copying and launching take.
const READING: [&str; 4] = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:ReEncryptFrom"];
/// AWS documents the name of EC2 as `kms:ViaService` has it for these partitions only.
const NAMES_EC2: [&str; 2] = ["aws", "aws-us-gov"];

/// The first of these actions that the caller may not do with a key in a region by way of EC2. Nobody in the account is refused the key
/// that AWS manages for EBS.
pub(crate) fn lacking(
    state: &State,
    request: &Request,
    region: &str,
    reference: &str,
    actions: &[String],
) -> Option<String> {
    let key = state.world.key(request.account(), region, reference);
    if key.is_some_and(Key::is_default_ebs) {
        return None;
    }
    let resource = arn_of(state, request, key, reference);
    let mut given = aliases(key);
    if NAMES_EC2.contains(&state.world.partition(request.account())) {
        given.push(("kms:ViaService".to_owned(), format!("ec2.{region}.amazonaws.com")));
    }
    let may = |action: &str| {
        let mut context = given.clone();
        if action == "kms:CreateGrant" {
            context.push(("kms:GrantIsForAWSResource".to_owned(), "true".to_owned()));
        }
        request.may_do(&Ask {
            context: &context,
            ..Ask::of(action, &resource)
        })
    };
    actions.iter().find(|action| !may(action)).cloned()
}

/// The first of these actions that the caller may not do with a key that something is only read under.
pub(crate) fn lacking_to_read(
    state: &State,
    request: &Request,
    region: &str,
    reference: &str,
    actions: &[String],
) -> Option<String> {
    let reading = actions.iter().filter(|action| READING.contains(&action.as_str()));
    let reading: Vec<String> = reading.cloned().collect();
    lacking(state, request, region, reference, &reading)
}
