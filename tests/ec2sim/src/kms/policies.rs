//! GetKeyPolicy and ListGrants: who may use a key.

use serde_json::{Value, json};

use super::{check, denied};
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{Grant, Key};
use crate::paging::{self, cut, size_of};
use crate::spec::digest;
use crate::wire::ApiError;

/// A key by ID or ARN: none of these calls takes an alias.
pub(super) fn key<'a>(state: &'a State, request: &'a Request, action: &str) -> Result<&'a Key, ApiError> {
    let Some(reference) = request.params.get("KeyId") else {
        return Err(request.service.invalid(
            "1 validation error detected: Value at 'keyId' failed to satisfy constraint: Member must not be null",
        ));
    };
    let found = state
        .world
        .key(request.account(), &request.region, reference)
        .filter(|_| !reference.contains("alias/"));
    check(state, request, action, reference)?;
    let key = found.ok_or_else(|| ApiError::new("NotFoundException", format!("Key '{reference}' does not exist")))?;
    if !key.permits(&request.caller.principals()) {
        return Err(denied(request, action, &key.arn));
    }
    Ok(key)
}

/// Runs GetKeyPolicy, which no other account can.
pub(super) fn get(state: &State, request: &Request) -> Outcome {
    let key = key(state, request, "kms:GetKeyPolicy")?;
    if key.arn.split(':').nth(4) != Some(request.account()) {
        return Err(denied(request, "kms:GetKeyPolicy", &key.arn));
    }
    let name = request.params.get("PolicyName").unwrap_or("default");
    if name != "default" {
        return Err(ApiError::new("NotFoundException", "No such policy exists"));
    }
    let policy = key.policy.clone().unwrap_or_else(|| default_policy(key));
    Ok(Done::json(json!({ "Policy": policy.to_string(), "PolicyName": name })))
}

/// What the world says of who may use the key, as a policy.
fn default_policy(key: &Key) -> Value {
    let owner = key.arn.split(':').nth(4).unwrap_or_default();
    let partition = key.arn.split(':').nth(1).unwrap_or("aws");
    let root = |account: &str| format!("arn:{partition}:iam::{account}:root");
    if key.is_default_ebs() {
        return managed_policy(key, &root(owner));
    }
    let mut statements = vec![json!({
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": root(owner)},
        "Action": "kms:*",
        "Resource": "*",
    })];
    if let Some(allowed) = &key.allowed_principals {
        let principals: Vec<String> = allowed
            .iter()
            .map(|p| {
                if p.starts_with("arn:") || p == "*" {
                    p.clone()
                } else {
                    root(p)
                }
            })
            .collect();
        statements.push(json!({
            "Sid": "Allow use of the key",
            "Effect": "Allow",
            "Principal": {"AWS": principals},
            "Action": ["kms:DescribeKey", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant"],
            "Resource": "*",
        }));
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// The policy of the key that AWS manages for EBS, as its documents show it.
fn managed_policy(key: &Key, root: &str) -> Value {
    let mut parts = key.arn.split(':').skip(3);
    let (region, owner) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let using = [
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncrypt*",
        "kms:GenerateDataKey*",
        "kms:CreateGrant",
        "kms:DescribeKey",
    ];
    json!({"Version": "2012-10-17", "Id": "auto-ebs-2", "Statement": [
        {
            "Sid": "Allow access through EBS for all principals in the account that are authorized to use EBS",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": using,
            "Resource": "*",
            "Condition": {"StringEquals": {
                "kms:CallerAccount": owner,
                "kms:ViaService": format!("ec2.{region}.amazonaws.com"),
            }},
        },
        {
            "Sid": "Allow direct access to key metadata to the account",
            "Effect": "Allow",
            "Principal": {"AWS": root},
            "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
            "Resource": "*",
        },
    ]})
}

fn grant_id(key: &Key, index: usize) -> String {
    digest(index as u64, &[&key.arn, "grant"])
}

/// Runs ListGrants: 50 a page, unless asked otherwise.
pub(super) fn list_grants(state: &mut State, request: &Request) -> Outcome {
    let key = key(state, request, "kms:ListGrants")?.clone();
    let params = &request.params;
    let (wanted, grantee) = (params.get("GrantId"), params.get("GranteePrincipal"));
    let ids = key
        .grants
        .iter()
        .enumerate()
        .filter(|(_, grant)| grantee.is_none_or(|g| g == grant.grantee))
        .map(|(i, _)| grant_id(&key, i))
        .filter(|id| wanted.is_none_or(|w| w == id))
        .collect();
    let ask = paging::Ask {
        size: size_of(params, request.service, "Limit", (1, 1000, 50))?,
        token: params.get("Marker"),
        whole: wanted.is_none() && grantee.is_none(),
    };
    let page = cut(state, request, ids, &ask)?;
    let by_id = |id: &String| (0..key.grants.len()).find(|i| grant_id(&key, *i) == *id);
    let grants: Vec<Value> = page
        .ids
        .iter()
        .filter_map(|id| Some(shown(&key, &key.grants[by_id(id)?], id)))
        .collect();
    let mut answer = json!({ "Grants": grants, "Truncated": page.next.is_some() });
    if let Some(next) = page.next {
        answer["NextMarker"] = json!(next);
    }
    Ok(Done::json(answer))
}

#[allow(clippy::cast_precision_loss)]
fn shown(key: &Key, grant: &Grant, id: &str) -> Value {
    let owner = key.arn.split(':').nth(4).unwrap_or_default();
    let mut value = json!({
        "KeyId": key.arn,
        "GrantId": id,
        "Name": grant.name,
        "CreationDate": key.created.as_millis() as f64 / 1000.0,
        "GranteePrincipal": grant.grantee,
        "IssuingAccount": format!("arn:aws:iam::{owner}:root"),
        "Operations": grant.operations,
    });
    if !grant.encryption_context.is_empty() {
        value["Constraints"] = json!({"EncryptionContextSubset": grant.encryption_context});
    }
    if let Some(retiring) = &grant.retiring {
        value["RetiringPrincipal"] = json!(retiring);
    }
    value
}
