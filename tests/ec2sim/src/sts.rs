//! STS: AssumeRole and GetCallerIdentity.

use crate::engine::{Done, Outcome, Request, State, session_time};
use crate::iam::{Ask, Policy, Session};
use crate::model::{Role, World};
use crate::spec::{OptIn, digest};
use crate::wire::{ApiError, Xml};

/// Runs an operation of STS.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    match request.operation.as_str() {
        "AssumeRole" => assume_role(state, request),
        "GetCallerIdentity" => Ok(get_caller_identity(request)),
        other => Err(request.service.unknown_operation(other)),
    }
}

/// The unique ID of a role.
pub(crate) fn role_id(arn: &str) -> String {
    format!("AROA{}", digest(0, &[arn])[..17].to_uppercase())
}

/// The ARN of a session.
pub(crate) fn session_arn(world: &World, account: &str, role: &str, session: &str) -> String {
    format!(
        "arn:{}:sts::{account}:assumed-role/{role}/{session}",
        world.partition(account)
    )
}

fn get_caller_identity(request: &Request) -> Done {
    let mut xml = Xml::new();
    xml.text("UserId", &request.caller.user_id);
    xml.text("Account", request.account());
    xml.text("Arn", &request.caller.arn);
    Done::read(xml)
}

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}

fn assume_role(state: &mut State, request: &Request) -> Outcome {
    let params = &request.params;
    let arn = params.required("RoleArn")?;
    let name = params.required("RoleSessionName")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&name.len()) || !name.chars().all(allowed) {
        return Err(validation(format!(
            "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*, length 2 to 64"
        )));
    }
    let external_id = params.get("ExternalId");
    if external_id.is_some_and(|id| !(2..=1224).contains(&id.len())) {
        return Err(validation(
            "1 validation error detected: Value at 'externalId' failed to satisfy constraint: Member must have length 2 to 1224",
        ));
    }
    let policy = session_policy(state, request)?;
    let tags = params.tags("Tags.member");
    check_tags(&tags)?;
    let role = trusted_role(state, request, arn, external_id, !tags.is_empty())?;
    let chained = request.caller.role_arn.is_some();
    let duration = duration(request, &role, chained)?;
    check_target_region(state, request, arn)?;

    let now = session_time(state, request.now, request.real_now);
    let expires = now.plus_seconds(f64::from(duration));
    let access_key = format!("ASIA{}", state.base32(16));
    let token = format!("FwoGZXIvYXdz{}", state.base32(200));
    let secret = state.base32(40);
    let account = arn.split(':').nth(4).unwrap_or_default().to_owned();
    state.sessions.insert(
        access_key.clone(),
        Session {
            token: token.clone(),
            account: account.clone(),
            role: role.name.clone(),
            name: name.to_owned(),
            policy,
            expires,
        },
    );
    let mut xml = Xml::new();
    xml.nest("AssumedRoleUser", |x| {
        x.text("AssumedRoleId", &format!("{}:{name}", role_id(arn)));
        x.text("Arn", &session_arn(&state.world, &account, &role.name, name));
    });
    xml.nest("Credentials", |x| {
        x.text("AccessKeyId", &access_key);
        x.text("SecretAccessKey", &secret);
        x.text("SessionToken", &token);
        x.value("Expiration", expires);
    });
    if params.get("Policy").is_some() || !tags.is_empty() {
        let percent = packed_size(request) * 100 / state.settings.sessions.packed_policy_limit.max(1);
        xml.value("PackedPolicySize", percent);
    }
    Ok(Done::read(xml))
}

fn packed_size(request: &Request) -> usize {
    let policy = request.params.get("Policy").map_or(0, str::len);
    let tags: usize = request
        .params
        .tags("Tags.member")
        .iter()
        .map(|(k, v)| k.len() + v.as_deref().map_or(0, str::len))
        .sum();
    policy + tags
}

fn session_policy(state: &State, request: &Request) -> Result<Option<Policy>, ApiError> {
    let limit = state.settings.sessions.packed_policy_limit;
    let size = packed_size(request);
    let text = request.params.get("Policy");
    if text.is_some_and(|t| t.len() > 2048) {
        return Err(validation(
            "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to 2048",
        ));
    }
    if size > limit {
        return Err(ApiError::new(
            "PackedPolicyTooLarge",
            format!(
                "Packed size of session tags and policy consumes {}% of allotted space.",
                size * 100 / limit.max(1)
            ),
        ));
    }
    text.map(Policy::parse)
        .transpose()
        .map_err(|e| ApiError::new("MalformedPolicyDocument", e))
}

fn check_tags(tags: &[(String, Option<String>)]) -> Result<(), ApiError> {
    if tags.len() > 50 {
        return Err(validation(
            "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50",
        ));
    }
    for (key, value) in tags {
        if key.is_empty() || key.len() > 128 || value.as_ref().is_some_and(|v| v.len() > 256) {
            return Err(validation(format!(
                "1 validation error detected: session tag '{key}' must have a key of 1 to 128 and a value of up to 256 characters"
            )));
        }
    }
    Ok(())
}

/// The role, when it trusts the caller. Why not is never told, as with AWS.
fn trusted_role(
    state: &State,
    request: &Request,
    arn: &str,
    external_id: Option<&str>,
    tagged: bool,
) -> Result<Role, ApiError> {
    let denied = |action: &str| {
        ApiError::with_status(
            403,
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform: {action} on resource: {arn}",
                request.caller.arn
            ),
        )
    };
    let (account, name) = arn
        .strip_prefix("arn:")
        .and_then(|rest| rest.split_once(":iam::"))
        .and_then(|(_, rest)| rest.split_once(":role/"))
        .ok_or_else(|| validation(format!("{arn} is invalid")))?;
    let role = state
        .world
        .accounts
        .get(account)
        .and_then(|a| a.roles.get(name))
        .filter(|r| r.arn == arn)
        .ok_or_else(|| denied("sts:AssumeRole"))?;
    let trusted = request
        .caller
        .principals()
        .iter()
        .any(|p| role.trust.iter().any(|t| t == p || t == "*"));
    let right_id = role.external_id.as_deref().is_none_or(|id| Some(id) == external_id);
    let may = |action: &str| request.may_do(&Ask::of(action, arn));
    if !trusted || !right_id || !may("sts:AssumeRole") {
        return Err(denied("sts:AssumeRole"));
    }
    if tagged && !(role.session_tags && may("sts:TagSession")) {
        return Err(denied("sts:TagSession"));
    }
    Ok(role.clone())
}

fn duration(request: &Request, role: &Role, chained: bool) -> Result<u32, ApiError> {
    let Some(text) = request.params.get("DurationSeconds") else {
        return Ok(3600);
    };
    let seconds: u32 = text
        .parse()
        .map_err(|_| validation(format!("'{text}' at 'durationSeconds' is not a number")))?;
    if !(900..=43_200).contains(&seconds) {
        return Err(validation(format!(
            "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200"
        )));
    }
    if chained && seconds > 3600 {
        return Err(validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    if seconds > role.max_session_seconds {
        return Err(validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(seconds)
}

/// The endpoint's region must be enabled in the role's account too.
fn check_target_region(state: &State, request: &Request, arn: &str) -> Result<(), ApiError> {
    let account = arn.split(':').nth(4).unwrap_or_default();
    match state.world.region(account, &request.region) {
        Some(region) if region.opt_in == OptIn::NotOptedIn => Err(ApiError::with_status(
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        )),
        _ => Ok(()),
    }
}
