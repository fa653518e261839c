//! KMS: DescribeKey, GetKeyRotationStatus, ListAliases, GetKeyPolicy, ListGrants.

mod on_behalf;
mod policies;
mod rotation;

use serde_json::{Value, json};

use crate::engine::{Done, Outcome, Request, State};
use crate::iam::Ask;
use crate::model::{EBS_ALIAS, Key};
use crate::wire::ApiError;

pub(crate) use on_behalf::{lacking, lacking_to_read};

/// Runs an operation of KMS.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    match request.operation.as_str() {
        "DescribeKey" => describe_key(state, request),
        "GetKeyRotationStatus" => rotation::status(state, request),
        "ListAliases" => list_aliases(state, request),
        "GetKeyPolicy" => policies::get(state, request),
        "ListGrants" => policies::list_grants(state, request),
        "CreateGrant" | "Decrypt" | "GenerateDataKeyWithoutPlaintext" => direct(state, request),
        other => Err(request.service.unknown_operation(other)),
    }
}

fn denied(request: &Request, action: &str, resource: &str) -> ApiError {
    request.service.denied(&request.caller.arn, action, resource)
}

/// Adds the key that AWS manages for EBS, if it is not there yet; returns its ARN.
pub(crate) fn ensure_ebs_key(state: &mut State, account: &str, region: &str, request: &Request) -> String {
    if let Some(key) = state.world.key(account, region, EBS_ALIAS) {
        return key.arn.clone();
    }
    let h = state.hex(32);
    let id = format!("{}-{}-4{}-8{}-{}", &h[..8], &h[8..12], &h[13..16], &h[17..20], &h[20..]);
    let arn = format!("arn:{}:kms:{region}:{account}:key/{id}", state.world.partition(account));
    if let Some(region) = state.world.region_mut(account, region) {
        region.keys.push(Key {
            id,
            arn: arn.clone(),
            aliases: vec![EBS_ALIAS.to_owned()],
            state: "Enabled".to_owned(),
            usage: "ENCRYPT_DECRYPT".to_owned(),
            spec: "SYMMETRIC_DEFAULT".to_owned(),
            manager: "AWS".to_owned(),
            multi_region: false,
            origin: "AWS_KMS".to_owned(),
            rotation: true,
            allowed_principals: None,
            policy: None,
            grants: Vec::new(),
            created: request.now,
            edited: 0,
        });
    }
    arn
}

/// Refuses what the caller may not do with a key. Policies name keys by their ARNs, whatever a call names them by.
fn check(state: &State, request: &Request, action: &str, reference: &str) -> Result<(), ApiError> {
    let key = state.world.key(request.account(), &request.region, reference);
    let resource = arn_of(state, request, key, reference);
    let context = aliases(key);
    let ask = Ask {
        context: &context,
        ..Ask::of(action, &resource)
    };
    if request.may_do(&ask) {
        return Ok(());
    }
    Err(denied(request, action, &resource))
}

/// The ARN of a key, or what it would be of one that is not there.
fn arn_of(state: &State, request: &Request, key: Option<&Key>, reference: &str) -> String {
    if let Some(key) = key {
        return key.arn.clone();
    }
    let (account, region) = (request.account(), &request.region);
    let name = reference.rsplit(['/', ':']).next().unwrap_or(reference);
    format!(
        "arn:{}:kms:{region}:{account}:key/{name}",
        state.world.partition(account)
    )
}

/// The aliases of a key, as conditions look at them.
fn aliases(key: Option<&Key>) -> Vec<(String, String)> {
    let all = key.into_iter().flat_map(|key| &key.aliases);
    all.map(|alias| ("kms:ResourceAliases".to_owned(), alias.clone()))
        .collect()
}

/// Uses a key without EC2 in between: whether that is allowed is all that comes of it.
fn direct(state: &State, request: &Request) -> Outcome {
    let reference = request.json["KeyId"].as_str().unwrap_or_default();
    check(state, request, &format!("kms:{}", request.operation), reference)?;
    Err(ApiError::new(
        "UnsupportedOperationException",
        "The simulator encrypts nothing and makes no grants.",
    ))
}

fn describe_key(state: &mut State, request: &Request) -> Outcome {
    let Some(reference) = request.json["KeyId"].as_str().filter(|k| !k.is_empty()) else {
        return Err(ApiError::new(
            "ValidationException",
            "1 validation error detected: Value at 'keyId' failed to satisfy constraint: Member must not be null",
        ));
    };
    let account = request.account().to_owned();
    check(state, request, "kms:DescribeKey", reference)?;
    if reference == EBS_ALIAS {
        ensure_ebs_key(state, &account, &request.region, request);
    }
    let arn_region = reference.strip_prefix("arn:").and_then(|r| r.split(':').nth(2));
    if arn_region.is_some_and(|r| r != request.region) {
        return Err(ApiError::new(
            "NotFoundException",
            format!("Invalid arn {}", arn_region.unwrap_or_default()),
        ));
    }
    let Some(key) = state.world.key(&account, &request.region, reference) else {
        let partition = state.world.partition(&account);
        let message = if reference.contains("alias/") {
            let arn = if reference.starts_with("arn:") {
                reference.to_owned()
            } else {
                format!("arn:{partition}:kms:{}:{account}:{reference}", request.region)
            };
            format!("Alias {arn} is not found.")
        } else {
            let arn = if reference.starts_with("arn:") {
                reference.to_owned()
            } else {
                format!("arn:{partition}:kms:{}:{account}:key/{reference}", request.region)
            };
            format!("Key '{arn}' does not exist")
        };
        return Err(ApiError::new("NotFoundException", message));
    };
    if !key.permits(&request.caller.principals()) {
        return Err(denied(request, "kms:DescribeKey", &key.arn));
    }
    Ok(Done::json(json!({ "KeyMetadata": metadata(key) })))
}

#[allow(clippy::cast_precision_loss)]
fn metadata(key: &Key) -> Value {
    let account = key.arn.split(':').nth(4).unwrap_or_default();
    let mut json = json!({
        "AWSAccountId": account,
        "KeyId": key.id,
        "Arn": key.arn,
        "CreationDate": key.created.as_millis() as f64 / 1000.0,
        "Enabled": key.state == "Enabled",
        "Description": "",
        "KeyUsage": key.usage,
        "KeyState": key.state,
        "Origin": if key.state == "PendingImport" { "EXTERNAL" } else { key.origin.as_str() },
        "KeyManager": key.manager,
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "MultiRegion": key.multi_region,
    });
    if key.usage == "ENCRYPT_DECRYPT" {
        json["EncryptionAlgorithms"] = if key.spec == "SYMMETRIC_DEFAULT" {
            json!(["SYMMETRIC_DEFAULT"])
        } else {
            json!(["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"])
        };
    }
    if key.state == "PendingDeletion" {
        json["DeletionDate"] = json!(key.created.plus_seconds(500.0 * 86_400.0).as_millis() as f64 / 1000.0);
    }
    json
}

fn list_aliases(state: &State, request: &Request) -> Outcome {
    if !request.may("kms:ListAliases") {
        return Err(denied(request, "kms:ListAliases", "*"));
    }
    let wanted = request.json["KeyId"].as_str();
    let limit = match request.json["Limit"].as_u64() {
        None => 50,
        Some(n @ 1..=100) => usize::try_from(n).unwrap_or(100),
        Some(n) => {
            return Err(ApiError::new(
                "ValidationException",
                format!(
                    "1 validation error detected: Value '{n}' at 'limit' failed to satisfy constraint: Member must be between 1 and 100"
                ),
            ));
        }
    };
    let marker = request.json["Marker"].as_str().unwrap_or_default();
    let account = request.account();
    let mut all: Vec<(String, &Key)> = state
        .world
        .region(account, &request.region)
        .map(|r| {
            r.keys
                .iter()
                .filter(|k| wanted.is_none_or(|w| k.id == w || k.arn == w))
                .flat_map(|k| k.aliases.iter().map(move |a| (a.clone(), k)))
                .collect()
        })
        .unwrap_or_default();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.retain(|(alias, _)| alias.as_str() > marker);
    let truncated = all.len() > limit;
    all.truncate(limit);
    let next = all.last().map(|(alias, _)| alias.clone());
    let partition = state.world.partition(account);
    let aliases: Vec<Value> = all
        .into_iter()
        .map(|(alias, key)| {
            json!({
                "AliasName": alias,
                "AliasArn": format!("arn:{partition}:kms:{}:{account}:{alias}", request.region),
                "TargetKeyId": key.id,
            })
        })
        .collect();
    let mut answer = json!({ "Aliases": aliases, "Truncated": truncated });
    if let (true, Some(next)) = (truncated, next) {
        answer["NextMarker"] = json!(next);
    }
    Ok(Done::json(answer))
}
